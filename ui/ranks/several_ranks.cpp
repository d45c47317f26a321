// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/ranks/several_ranks.h"

#include <QComboBox>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRegularExpression>
#include <QTableWidget>
#include <algorithm>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/quiet_view.h"
#include "ui/workspace.h"

namespace luthier {

namespace {

constexpr qsizetype kMostRanks = 16;

/// The setting that is the rank of this recipe's method.
Result<std::string> rank_key(const Recipe& recipe) {
  for (const char* key : {"adapter.r", "adapter.init_r"}) {
    for (const FieldDescription& field : recipe_fields())
      if (field.key == key && applies(field, recipe)) return std::string(key);
  }
  return input_error("The method " + recipe.strategy + " has no rank.", "strategy",
                     "Choose LoRA or another method with a rank on the Train page.");
}

}  // namespace

const QString SeveralRanks::kGroup = QStringLiteral("ranks");

Result<std::vector<std::int64_t>> ranks_of_text(const QString& text) {
  static const QRegularExpression between(QStringLiteral("[\\s,;]+"));
  std::vector<std::int64_t> ranks;
  for (const QString& part : text.split(between, Qt::SkipEmptyParts)) {
    bool number = false;
    const qlonglong rank = part.toLongLong(&number);
    if (!number || rank < 1)
      return input_error("\"" + part.toStdString() + "\" is no rank.", "",
                         "Ranks are whole numbers from 1 on: 4, 8, 16, 32.");
    if (std::find(ranks.begin(), ranks.end(), rank) == ranks.end()) ranks.push_back(rank);
  }
  if (ranks.empty())
    return input_error("No rank is given.", "", "Ranks are whole numbers from 1 on: 4, 8, 16, 32.");
  if (static_cast<qsizetype>(ranks.size()) > kMostRanks)
    return input_error("There are " + std::to_string(ranks.size()) + " ranks; " +
                           std::to_string(kMostRanks) + " runs are queued at most.",
                       "");
  return ranks;
}

Result<std::vector<RunToQueue>> recipes_at_ranks(const Recipe& recipe,
                                                 const std::vector<std::int64_t>& ranks,
                                                 AlphaRule alpha) {
  LUTHIER_TRY(const std::string key, rank_key(recipe));
  if (!recipe.adapter.init_from.empty())
    return input_error("The recipe goes on from an adapter, whose rank stands.",
                       "adapter.init_from", "Leave it empty to train at several ranks.");
  const std::string before = get_field(recipe, key).value();
  const double of = QString::fromStdString(before).toDouble();
  const std::string alpha_key = [&] {
    for (const char* name : {"adapter.lora_alpha", "adapter.alpha"}) {
      for (const FieldDescription& field : recipe_fields())
        if (field.key == name && applies(field, recipe)) return std::string(name);
    }
    return std::string();
  }();
  std::vector<RunToQueue> runs;
  for (const std::int64_t rank : ranks) {
    RunToQueue run{recipe, QStringLiteral("r %1").arg(rank)};
    LUTHIER_CHECK(set_field(run.recipe, key, std::to_string(rank)));
    if (alpha == AlphaRule::KeepRatio && !alpha_key.empty() && of > 0) {
      const double now = QString::fromStdString(get_field(recipe, alpha_key).value()).toDouble();
      const QString scaled = QString::number(now / of * static_cast<double>(rank), 'g', 12);
      LUTHIER_CHECK(set_field(run.recipe, alpha_key, scaled.toStdString()));
    }
    run.recipe.output_dir = recipe.output_dir + "-r" + std::to_string(rank);
    runs.push_back(std::move(run));
  }
  return runs;
}

SeveralRanks::SeveralRanks(Workspace& workspace, QWidget* parent)
    : Card(parent), workspace_(workspace) {
  auto* row = new QHBoxLayout;
  ranks_label_ = new QLabel(this);
  ranks_ = new QLineEdit(QStringLiteral("4, 8, 16, 32"), this);
  ranks_->setObjectName(QStringLiteral("severalRanks"));
  ranks_label_->setBuddy(ranks_);
  alpha_ = new QComboBox(this);
  alpha_->setObjectName(QStringLiteral("severalAlpha"));
  alpha_->addItems({QString(), QString()});
  row->addWidget(ranks_label_);
  row->addWidget(ranks_, 1);
  row->addWidget(alpha_);
  body()->addLayout(row);
  about_ = muted_label(this, 0.85);
  about_->setObjectName(QStringLiteral("severalAbout"));
  body()->addWidget(about_);
  table_ = new QTableWidget(this);
  table_->setObjectName(QStringLiteral("rankQueue"));
  table_->setColumnCount(3);
  make_quiet(table_);
  table_->setShowGrid(false);
  table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setTabKeyNavigation(false);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setDefaultSectionSize(24);
  table_->horizontalHeader()->hide();
  table_->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  table_->horizontalHeader()->setSectionResizeMode(1, QHeaderView::Stretch);
  body()->addWidget(table_);
  held_ = text_label(this, true);
  set_ink(held_, Ink::Warning);
  body()->addWidget(held_);
  auto* buttons = new QHBoxLayout;
  queue_ = new QPushButton(this);
  queue_->setObjectName(QStringLiteral("queueRanks"));
  go_on_ = new QPushButton(this);
  go_on_->setObjectName(QStringLiteral("queueGoOn"));
  drop_ = new QPushButton(this);
  drop_->setObjectName(QStringLiteral("queueDrop"));
  compare_ = new QPushButton(this);
  compare_->setObjectName(QStringLiteral("compareRanks"));
  buttons->addWidget(queue_, 1);
  for (QPushButton* button : {go_on_, drop_, compare_}) buttons->addWidget(button);
  body()->addLayout(buttons);

  connect(ranks_, &QLineEdit::textChanged, this, &SeveralRanks::refresh);
  connect(ranks_, &QLineEdit::returnPressed, this, &SeveralRanks::queue);
  connect(queue_, &QPushButton::clicked, this, &SeveralRanks::queue);
  RunQueue& runs = workspace_.queue();
  connect(drop_, &QPushButton::clicked, this, [&runs] { runs.drop_waiting(kGroup); });
  connect(go_on_, &QPushButton::clicked, &runs, &RunQueue::go_on);
  connect(compare_, &QPushButton::clicked, this,
          [this] { emit compare_asked(finished_folders()); });
  connect(table_, &QTableWidget::cellActivated, this, [this](int at, int) {
    const auto all = workspace_.queue().of_group(kGroup);
    if (at < 0 || static_cast<std::size_t>(at) >= all.size()) return;
    const QueuedRun& run = all[static_cast<std::size_t>(at)];
    if (run.end_state == "finished") emit show_asked(QString::fromStdString(run.recipe.output_dir));
  });
  connect(&runs, &RunQueue::changed, this, &SeveralRanks::refresh);
  connect(&runs, &RunQueue::ended, this, [this](std::uint64_t id) {
    const QueuedRun* run = workspace_.queue().find(id);
    if (run && run->group == kGroup && run->end_state == "finished")
      emit show_asked(QString::fromStdString(run->recipe.output_dir));
  });
  connect(&workspace_, &Workspace::recipe_changed, this, &SeveralRanks::refresh);
  connect(&workspace_, &Workspace::run_grew, this, &SeveralRanks::fill_table);
  connect(&workspace_, &Workspace::run_started, this, &SeveralRanks::fill_table);
  on_language(this, [this] {
    table_->setAccessibleName(tr("Ranks that are tried"));
    refresh();
  });
}

void SeveralRanks::queue() {
  if (workspace_.refuse_faults()) {
    emit failed(workspace_.faults().front().error);
    return;
  }
  const auto ranks = ranks_of_text(ranks_->text());
  if (!ranks) {
    emit failed(ranks.error());
    return;
  }
  const auto rule = alpha_->currentIndex() == 1 ? AlphaRule::KeepAlpha : AlphaRule::KeepRatio;
  auto runs = recipes_at_ranks(workspace_.recipe(), *ranks, rule);
  if (!runs) {
    emit failed(runs.error());
    return;
  }
  const auto added = workspace_.queue().add(runs.take(), kGroup);
  if (!added)
    emit failed(added.error());
  else
    emit queued();
}

QStringList SeveralRanks::finished_folders() const {
  QStringList folders;
  for (const QueuedRun& run : workspace_.queue().of_group(kGroup))
    if (run.end_state == "finished") folders << QString::fromStdString(run.recipe.output_dir);
  return folders;
}

void SeveralRanks::refresh() {
  const Recipe& recipe = workspace_.recipe();
  const QStringList settled{tr("alpha ÷ rank stays"), tr("alpha stays")};
  for (int i = 0; i < 2; ++i) alpha_->setItemText(i, settled[i]);
  set_title(tr("Train at several ranks"));
  ranks_label_->setText(tr("Ran&ks"));
  ranks_->setAccessibleName(tr("Ranks"));
  alpha_->setAccessibleName(tr("What becomes of alpha"));
  const auto ranks = ranks_of_text(ranks_->text());
  const auto rank = rank_key(recipe);
  const int count = ranks ? static_cast<int>(ranks->size()) : 0;
  if (!ranks)
    about_->setText(error_text(ranks.error()));
  else if (!rank)
    about_->setText(error_text(rank.error()));
  else
    about_->setText(
        tr("By the Train page's recipe, one after another, each into a run folder of its own: %1…")
            .arg(QString::fromStdString(recipe.output_dir) +
                 QStringLiteral("-r%1").arg(ranks->front())));
  set_ink(about_, ranks && rank ? Ink::Muted : Ink::Error);
  queue_->setText(tr("Queue %n runs", nullptr, count));
  queue_->setEnabled(ranks && rank && !recipe.model.empty() && !recipe.dataset.empty());
  queue_->setToolTip(recipe.dataset.empty() ? tr("The Train page's recipe names no data yet")
                                            : QString());
  fill_table();
}

void SeveralRanks::fill_table() {
  const RunQueue& queue = workspace_.queue();
  const std::vector<QueuedRun> runs = queue.of_group(kGroup);
  const bool waits = std::any_of(runs.begin(), runs.end(), [](const QueuedRun& run) {
    return run.state == QueuedRun::State::Waiting;
  });
  table_->setVisible(!runs.empty());
  table_->setMaximumHeight(std::clamp(static_cast<int>(runs.size()), 1, 5) * 24 + 4);
  table_->setToolTip(tr("Double click a finished run to see its ranks"));
  held_->setVisible(queue.held() && waits);
  held_->setText(tr("The queue is held: these wait."));
  go_on_->setText(tr("Go on"));
  go_on_->setVisible(queue.held() && waits);
  drop_->setText(tr("Drop them"));
  drop_->setVisible(waits);
  compare_->setText(tr("Compare them"));
  compare_->setToolTip(tr("The finished ones as columns of the Compare page"));
  compare_->setVisible(!finished_folders().isEmpty());
  table_->setRowCount(static_cast<int>(runs.size()));
  for (int row = 0; row < static_cast<int>(runs.size()); ++row) {
    const QueuedRun& run = runs[static_cast<std::size_t>(row)];
    QString state = tr("waits");
    if (run.state == QueuedRun::State::Ended) state = state_text(run.end_state);
    if (run.state == QueuedRun::State::Running) {
      const auto& live = workspace_.run();
      const bool own = live && !live->ended &&
                       live->started.folder == std::filesystem::path(run.recipe.output_dir);
      state = own && !live->lines.empty()
                  ? tr("step %1 of %2").arg(live->lines.back().step).arg(live->started.total_steps)
                  : tr("begins");
    }
    const QString folder = QString::fromStdString(run.recipe.output_dir);
    const QString texts[] = {run.label, QFileInfo(folder).fileName(), state};
    for (int column = 0; column < 3; ++column) {
      auto* item = new QTableWidgetItem(texts[column]);
      item->setToolTip(run.error ? error_text(*run.error) : folder);
      if (run.error) item->setForeground(colours().error);
      table_->setItem(row, column, item);
    }
  }
}

}  // namespace luthier
