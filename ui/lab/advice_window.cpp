// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/advice_window.h"

#include <QCheckBox>
#include <QComboBox>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QTreeWidget>
#include <QVBoxLayout>
#include <algorithm>

#include "engine/lab/laws.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/copied_table.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr QSize kAdviceSize(1040, 720);
constexpr int kMostTasks = 1000, kComparisonsHeight = 190;
constexpr double kMostRows = 1e15;

QString approach_title(Approach approach) {
  switch (approach) {
    case Approach::Prompt: return AdviceWindow::tr("Prompt the base");
    case Approach::Retrieve: return AdviceWindow::tr("Retrieve passages");
    case Approach::Features: return AdviceWindow::tr("Features under a small head");
    case Approach::Adapter: return AdviceWindow::tr("An adapter (PEFT)");
    case Approach::Full: return AdviceWindow::tr("All weights");
  }
  return {};
}

/// What is typed, or nothing; an Input error where it is no number.
Result<std::optional<double>> number_in(const QLineEdit* field) {
  const std::string text = field->text().trimmed().toStdString();
  if (text.empty()) return std::optional<double>();
  LUTHIER_TRY(const double number, parse_amount(text, field->accessibleName().toStdString()));
  return std::optional<double>(number);
}

void make_read_only(QTreeWidget* tree) {
  tree->setWordWrap(true);
  tree->setUniformRowHeights(false);
  tree->setEditTriggers(QAbstractItemView::NoEditTriggers);
  make_rows_copied(tree);
}

}  // namespace

AdviceWindow* AdviceWindow::of(Workspace& workspace, QWidget* owner) {
  QWidget* window = owner->window();
  if (auto* there = window->findChild<AdviceWindow*>()) return there;
  return new AdviceWindow(workspace, window);
}

AdviceWindow::AdviceWindow(Workspace& workspace, QWidget* owner)
    : QDialog(owner), workspace_(workspace) {
  setObjectName(QStringLiteral("adviceWindow"));
  auto* layout = new QVBoxLayout(this);
  auto* across = new Splitter(Qt::Horizontal, this);
  across->addWidget(make_question());
  across->addWidget(make_advice());
  across->setSizes({scaled_length(300), scaled_length(720)});
  layout->addWidget(across, 1);
  for (auto* button : findChildren<QPushButton*>()) button->setAutoDefault(false);
  on_language(this, [this] { retranslate(); });
  resize(kAdviceSize);
}

QWidget* AdviceWindow::make_question() {
  auto* side = new QWidget(this);
  auto* column = new QVBoxLayout(side);
  column->setContentsMargins(0, 0, 0, 0);
  form_ = new QFormLayout;
  form_->setRowWrapPolicy(QFormLayout::WrapAllRows);
  const auto add = [&](QLabel*& label, QWidget* field, const char* name) {
    field->setObjectName(QLatin1String(name));
    label = new QLabel(side);
    label->setBuddy(field);
    form_->addRow(label, field);
  };
  const auto choice = [&](const std::vector<std::string>& words) {
    auto* box = new QComboBox(side);
    box->addItem(QString(), QString());
    for (const std::string& word : words) box->addItem(QString(), QString::fromStdString(word));
    connect(box, &QComboBox::currentIndexChanged, this, &AdviceWindow::ask);
    return box;
  };
  const auto line = [&] {
    auto* field = new QLineEdit(side);
    connect(field, &QLineEdit::textChanged, this, &AdviceWindow::ask);
    return field;
  };
  add(task_label_, task_ = choice(task_words()), "adviceTask");
  add(rows_label_, rows_ = line(), "adviceRows");
  add(drift_label_, drift_ = choice(drift_words()), "adviceDrift");
  add(weights_label_, weights_ = line(), "adviceWeights");
  add(memory_label_, memory_ = line(), "adviceMemory");
  add(latency_label_, latency_ = line(), "adviceLatency");
  add(answer_label_, answer_latency_ = line(), "adviceAnswer");
  tasks_ = new QSpinBox(side);
  tasks_->setRange(0, kMostTasks);
  connect(tasks_, &QSpinBox::valueChanged, this, &AdviceWindow::ask);
  add(tasks_label_, tasks_, "adviceTasks");
  sources_ = new QCheckBox(side);
  sources_->setObjectName(QStringLiteral("adviceSources"));
  connect(sources_, &QCheckBox::toggled, this, &AdviceWindow::ask);
  form_->addRow(sources_);
  column->addLayout(form_);
  note_ = text_label(side, true);
  note_->setObjectName(QStringLiteral("adviceNote"));
  set_ink(note_, Ink::Error);
  column->addWidget(note_);
  column->addStretch(1);
  return side;
}

QWidget* AdviceWindow::make_advice() {
  found_ = new Card(this);
  ranked_ = new QTreeWidget(found_);
  ranked_->setObjectName(QStringLiteral("adviceRanked"));
  ranked_->setColumnCount(2);
  ranked_->header()->setStretchLastSection(false);
  ranked_->header()->setSectionResizeMode(0, QHeaderView::Stretch);
  ranked_->header()->setSectionResizeMode(1, QHeaderView::ResizeToContents);
  make_read_only(ranked_);
  open_ = muted_label(found_);
  open_->setObjectName(QStringLiteral("adviceOpen"));
  comparisons_ = new QTreeWidget(found_);
  comparisons_->setObjectName(QStringLiteral("adviceComparisons"));
  comparisons_->setMaximumHeight(scaled_length(kComparisonsHeight));
  make_read_only(comparisons_);
  found_->body()->addWidget(ranked_, 1);
  found_->body()->addWidget(open_);
  found_->body()->addWidget(comparisons_);
  auto* row = new QHBoxLayout;
  ask_base_ = new QPushButton(found_);
  ask_base_->setObjectName(QStringLiteral("adviceAskBase"));
  short_runs_ = new QPushButton(found_);
  short_runs_->setObjectName(QStringLiteral("adviceShortRuns"));
  row->addStretch(1);
  row->addWidget(ask_base_);
  row->addWidget(short_runs_);
  found_->body()->addLayout(row);
  for (const auto& [button, page] :
       {std::pair(ask_base_, PageId::Compare), std::pair(short_runs_, PageId::Methods)})
    connect(button, &QPushButton::clicked, this, [this, page = page] {
      close();
      emit go_to(page);
    });
  return found_;
}

void AdviceWindow::open_here() {
  if (weights_->text().isEmpty() && workspace_.model())
    weights_->setText(QString::fromStdString(
        amount_text(static_cast<double>(workspace_.model()->summary.parameters))));
  if (memory_->text().isEmpty() && workspace_.forecast() && workspace_.forecast()->forecast.known())
    memory_->setText(QString::fromStdString(
        amount_text(static_cast<double>(workspace_.forecast()->forecast.available))));
  show();
  raise();
  activateWindow();
  task_->setFocus();
  ask();
}

Result<AdviceQuestion> AdviceWindow::question() {
  AdviceQuestion asked;
  asked.task = task_->currentData().toString().toStdString();
  asked.drift = drift_->currentData().toString().toStdString();
  asked.sources = sources_->isChecked();
  if (tasks_->value() > 0) asked.tasks = tasks_->value();
  // No rows at all is an answer, too.
  if (rows_->text().trimmed() == QLatin1String("0")) {
    asked.rows = 0;
  } else {
    LUTHIER_TRY(const auto rows, number_in(rows_));
    if (rows) asked.rows = static_cast<std::int64_t>(std::min(*rows, kMostRows));
  }
  LUTHIER_TRY(asked.weights, number_in(weights_));
  LUTHIER_TRY(asked.memory, number_in(memory_));
  LUTHIER_TRY(asked.latency, number_in(latency_));
  LUTHIER_TRY(asked.answer_latency, number_in(answer_latency_));
  return asked;
}

void AdviceWindow::ask() {
  const auto asked = question();
  const auto advice = asked ? advise(*asked) : Result<Advice>(asked.error());
  note_->setText(advice ? QString() : error_text(advice.error()));
  note_->setVisible(!advice);
  if (advice) show_advice(*advice);
}

void AdviceWindow::show_advice(const Advice& advice) {
  ranked_->clear();
  int place = 0;
  for (const RankedApproach& row : advice.ranked) {
    const QString title = approach_title(row.approach);
    auto* item = new QTreeWidgetItem(
        ranked_, {row.possible ? QStringLiteral("%1. %2").arg(++place).arg(title)
                               : tr("%1: it cannot be done").arg(title),
                  row.possible ? QString::asprintf("%+d", row.sum) : QString()});
    item->setFont(0, scaled_font(1, true));
    item->setTextAlignment(1, Qt::AlignRight);
    for (const AdviceReason& reason : row.reasons) {
      auto* said = new QTreeWidgetItem(
          item,
          {said_text(reason.text),
           reason.weight < -3 ? QStringLiteral("!") : QString::asprintf("%+d", reason.weight)});
      said->setTextAlignment(1, Qt::AlignRight);
      if (reason.weight < 0) said->setForeground(1, colours().warning);
    }
    item->setExpanded(true);
  }
  QStringList open;
  for (const std::string& each : advice.open) open << said_text(each);
  open_->setText(open.isEmpty()
                     ? QString()
                     : tr("Not said, and it would count: %1").arg(open.join(QStringLiteral("; "))));
  open_->setVisible(!open.isEmpty());
  comparisons_->clear();
  for (const AdviceComparison& each : advice.comparisons) {
    auto* item = new QTreeWidgetItem(comparisons_, {said_text(each.title)});
    new QTreeWidgetItem(item, {said_text(each.why)});
    for (const std::string& command : each.commands)
      new QTreeWidgetItem(item, {QString::fromStdString(command)});
  }
}

void AdviceWindow::retranslate() {
  setWindowTitle(tr("What to try"));
  found_->set_title(tr("What speaks for each way, and against it"));
  const std::pair<QLabel*, QString> labels[] = {
      {task_label_, tr("&What is to be learned")},
      {rows_label_, tr("&Rows with answers")},
      {drift_label_, tr("How often that &changes")},
      {weights_label_, tr("Wei&ghts of the model")},
      {memory_label_, tr("&Memory for training, bytes")},
      {latency_label_, tr("An answer ma&y take, ms")},
      {answer_label_, tr("The model takes as it &is, ms")},
      {tasks_label_, tr("&Tasks of one model")}};
  for (const auto& [label, text] : labels) {
    label->setText(text);
    label->buddy()->setAccessibleName(QString(text).remove(QLatin1Char('&')));
  }
  for (QLineEdit* field : {rows_, weights_, memory_, latency_, answer_latency_})
    field->setPlaceholderText(tr("not said"));
  tasks_->setSpecialValueText(tr("not said"));
  sources_->setText(tr("Answers must &name where they are from"));
  const QStringList tasks{tr("not said"), tr("facts"),   tr("a manner of speaking"),
                          tr("a format"), tr("a skill"), tr("classes"),
                          tr("search")};
  const QStringList drifts{tr("not said"), tr("never"), tr("yearly"), tr("monthly"), tr("daily")};
  for (int i = 0; i < task_->count(); ++i) task_->setItemText(i, tasks.value(i));
  for (int i = 0; i < drift_->count(); ++i) drift_->setItemText(i, drifts.value(i));
  ranked_->setHeaderLabels({tr("Way"), tr("For or against")});
  ranked_->setAccessibleName(tr("Ways"));
  comparisons_->setHeaderLabels({tr("Cheap comparisons before deciding")});
  comparisons_->setAccessibleName(tr("Comparisons"));
  ask_base_->setText(tr("&Ask the base (Compare)"));
  short_runs_->setText(tr("&Short runs (Methods)"));
  ask();
}

}  // namespace luthier
