// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/compose_window.h"

#include <QComboBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QProgressBar>
#include <QPushButton>
#include <QScrollArea>
#include <QSpinBox>
#include <QTableWidget>
#include <QTimer>
#include <QVBoxLayout>

#include "ui/background.h"
#include "ui/format.h"
#include "ui/lab/compose_drawing.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/splitter.h"
#include "ui/widgets/word_table.h"

namespace luthier {

namespace {

constexpr QSize kComposeSize(1180, 740);
constexpr int kPlanAfter = 250, kProgressEvery = 100;  // milliseconds
constexpr int kMostQueries = 1 << 16, kMostEvery = 4096, kMostSeed = 1'000'000, kPartsHeight = 170,
              kStagesHeight = 110;
enum PartColumn { kPart, kParameters, kDrawn, kWhat, kPartColumns };

}  // namespace

ComposeWindow* ComposeWindow::of(Workspace& workspace, const std::filesystem::path& home,
                                 QWidget* owner) {
  QWidget* window = owner->window();
  if (auto* there = window->findChild<ComposeWindow*>()) return there;
  return new ComposeWindow(workspace, home, window);
}

ComposeWindow::ComposeWindow(Workspace& workspace, const std::filesystem::path& home,
                             QWidget* owner)
    : QDialog(owner), workspace_(workspace), home_(home), soon_(new QTimer(this)) {
  setObjectName(QStringLiteral("composeWindow"));
  auto* layout = new QVBoxLayout(this);
  auto* across = new Splitter(Qt::Horizontal, this);
  across->addWidget(make_order());
  across->addWidget(make_drawing());
  across->addWidget(make_parts());
  across->setSizes({scaled_length(330), scaled_length(400), scaled_length(420)});
  layout->addWidget(across, 1);
  note_ = text_label(this, true);
  note_->setObjectName(QStringLiteral("composeNote"));
  note_->hide();
  layout->addWidget(note_);
  soon_->setSingleShot(true);
  soon_->setInterval(kPlanAfter);
  connect(soon_, &QTimer::timeout, this, &ComposeWindow::plan);
  // A person who ends a line with Enter means the line.
  for (auto* button : findChildren<QPushButton*>()) button->setAutoDefault(false);
  on_language(this, [this] { retranslate(); });
  resize(kComposeSize);
}

ComposeWindow::~ComposeWindow() {
  if (writing_) writing_->stopped = true;  // nothing half-written stays
}

QWidget* ComposeWindow::make_half(QLineEdit*& field, QPushButton*& choose, const char* name) {
  auto* row = new QWidget(this);
  auto* layout = new QHBoxLayout(row);
  layout->setContentsMargins(0, 0, 0, 0);
  field = new QLineEdit(QString::fromLatin1(kSmallHalf), row);
  field->setObjectName(QLatin1String(name));
  choose = new QPushButton(row);
  layout->addWidget(field, 1);
  layout->addWidget(choose);
  connect(choose, &QPushButton::clicked, this, [this, field] {
    const QString folder = QFileDialog::getExistingDirectory(this, tr("A checkpoint's folder"),
                                                             QFileInfo(field->text()).path());
    if (!folder.isEmpty()) field->setText(folder);
  });
  connect(field, &QLineEdit::textChanged, soon_, qOverload<>(&QTimer::start));
  return row;
}

QWidget* ComposeWindow::make_order() {
  auto* side = new QWidget(this);
  auto* column = new QVBoxLayout(side);
  column->setContentsMargins(0, 0, 0, 0);
  form_ = new QFormLayout;
  form_->setRowWrapPolicy(QFormLayout::WrapAllRows);
  const auto add = [&](QLabel*& label, QWidget* field, QWidget* buddy) {
    label = new QLabel(side);
    label->setBuddy(buddy);
    form_->addRow(label, field);
  };
  const auto number = [&](const char* name, int least, int most) {
    auto* spin = new QSpinBox(side);
    spin->setObjectName(QLatin1String(name));
    spin->setRange(least, most);
    connect(spin, &QSpinBox::valueChanged, soon_, qOverload<>(&QTimer::start));
    return spin;
  };
  QWidget* tower = make_half(tower_, choose_tower_, "composeTower");
  add(tower_label_, tower, tower_);
  connector_ = new QComboBox(side);
  connector_->setObjectName(QStringLiteral("composeConnector"));
  for (const ConnectorSummary& row : connectors())
    connector_->addItem(QString(), QString::fromStdString(row.key));
  connector_->setCurrentIndex(
      connector_->findData(QString::fromStdString(ComposeOrder().connector)));
  connector_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  connect(connector_, &QComboBox::currentIndexChanged, this, [this] {
    retranslate();
    soon_->start();
  });
  add(connector_label_, connector_, connector_);
  connector_says_ = muted_label(side);
  form_->addRow(connector_says_);
  QWidget* language = make_half(language_, choose_language_, "composeLanguage");
  add(language_label_, language, language_);
  queries_ = number("composeQueries", 0, kMostQueries);
  add(queries_label_, queries_, queries_);
  every_ = number("composeEvery", 0, kMostEvery);
  add(every_label_, every_, every_);
  seed_ = number("composeSeed", 0, kMostSeed);
  seed_->setValue(static_cast<int>(ComposeOrder().seed));
  add(seed_label_, seed_, seed_);
  out_ = new QLineEdit(path_text(home_ / "composed"), side);
  out_->setObjectName(QStringLiteral("composeOut"));
  connect(out_, &QLineEdit::textChanged, this, &ComposeWindow::refresh);
  add(out_label_, out_, out_);
  column->addLayout(form_);
  column->addStretch(1);
  progress_ = new QProgressBar(side);
  progress_->setRange(0, 1000);
  progress_->hide();
  column->addWidget(progress_);
  compose_ = new QPushButton(side);
  compose_->setObjectName(QStringLiteral("composeWrite"));
  stop_ = new QPushButton(side);
  stop_->setObjectName(QStringLiteral("composeStop"));
  stop_->hide();
  open_model_ = new QPushButton(side);
  open_model_->setObjectName(QStringLiteral("composeOpen"));
  open_stages_ = new QPushButton(side);
  open_stages_->setObjectName(QStringLiteral("composeStages"));
  for (QPushButton* button : {compose_, stop_, open_model_, open_stages_})
    column->addWidget(button);
  connect(compose_, &QPushButton::clicked, this, &ComposeWindow::compose);
  connect(stop_, &QPushButton::clicked, this, [this] {
    if (writing_) writing_->stopped = true;
  });
  connect(open_model_, &QPushButton::clicked, this, &ComposeWindow::open_model);
  connect(open_stages_, &QPushButton::clicked, this, &ComposeWindow::open_stages);
  return side;
}

QWidget* ComposeWindow::make_drawing() {
  drawn_ = new Card(this);
  drawing_ = new ComposeDrawing(drawn_);
  auto* area = new QScrollArea(drawn_);
  area->setFrameShape(QFrame::NoFrame);
  area->setWidgetResizable(true);
  area->setWidget(drawing_);
  area->viewport()->setAutoFillBackground(false);
  drawing_->setAutoFillBackground(false);
  drawn_->body()->addWidget(area, 1);
  sums_ = text_label(drawn_, true);
  sums_->setObjectName(QStringLiteral("composeSums"));
  drawn_->body()->addWidget(sums_);
  return drawn_;
}

QWidget* ComposeWindow::make_parts() {
  auto* side = new QWidget(this);
  auto* column = new QVBoxLayout(side);
  column->setContentsMargins(0, 0, 0, 0);
  parts_ = table_of_words(kPartColumns, QStringLiteral("composeParts"), side);
  parts_->setMaximumHeight(scaled_length(kPartsHeight));
  column->addWidget(parts_);
  stages_card_ = new Card(side);
  stages_ = new QListWidget(stages_card_);
  stages_->setObjectName(QStringLiteral("composeStageList"));
  stages_->setMaximumHeight(scaled_length(kStagesHeight));
  stage_says_ = text_label(stages_card_, true);
  stage_says_->setObjectName(QStringLiteral("composeStageSays"));
  stage_says_->setAlignment(Qt::AlignTop | Qt::AlignLeft);
  stages_card_->body()->addWidget(stages_);
  stages_card_->body()->addWidget(stage_says_, 1);
  connect(stages_, &QListWidget::currentRowChanged, this, &ComposeWindow::show_stage);
  column->addWidget(stages_card_, 1);
  return side;
}

void ComposeWindow::open_here() {
  show();
  raise();
  activateWindow();
  connector_->setFocus();
  plan();
}

ComposeOrder ComposeWindow::order() const {
  const ConnectorSummary row = connectors()[static_cast<std::size_t>(connector_->currentIndex())];
  ComposeOrder order;
  order.connector = row.key;
  if (!row.towers.empty()) order.tower = tower_->text().trimmed().toStdString();
  order.language_model = language_->text().trimmed().toStdString();
  if (row.has_queries) order.queries = queries_->value();
  if (row.has_interval) order.every = every_->value();
  order.seed = static_cast<std::uint64_t>(seed_->value());
  return order;
}

void ComposeWindow::plan() {
  soon_->stop();
  in_background_of(
      this, [order = order()] { return plan_composition(order); },
      [this, asked = ++asked_](Result<Composition>&& planned) {
        if (asked == asked_) show_plan(std::move(planned));
      });
}

void ComposeWindow::show_plan(Result<Composition> planned) {
  if (!planned) {
    plan_.reset();
    say(error_text(planned.error()), true);
    drawing_->set_composition({});
  } else {
    plan_ = planned.take();
    say({});
    drawing_->set_composition(*plan_);
  }
  retranslate();
  stages_->setCurrentRow(plan_ && !plan_->stages.empty() ? 0 : -1);
}

void ComposeWindow::show_stage(int stage) {
  drawing_->show_stage(stage);
  if (!plan_ || stage < 0 || stage >= static_cast<int>(plan_->stages.size()))
    return stage_says_->clear();
  const ComposedStage& shown = plan_->stages[static_cast<std::size_t>(stage)];
  QStringList lines{said_text(shown.learns), said_text(shown.paper)};
  if (!shown.lacks.empty()) lines << said_text(shown.lacks);
  QStringList settings{QStringLiteral("strategy=") + QString::fromStdString(shown.strategy)};
  for (const std::string& setting : shown.settings) settings << QString::fromStdString(setting);
  if (shown.lacks.empty()) lines << settings.join(QLatin1Char(' '));
  stage_says_->setText(lines.join(QLatin1Char('\n')));
}

void ComposeWindow::compose() {
  if (writing_ || !plan_) return;
  writing_ = std::make_shared<Writing>();
  const std::filesystem::path out = to_path(out_->text().trimmed());
  say(tr("The checkpoint is written…"));
  auto* clock = new QTimer(this);
  clock->setInterval(kProgressEvery);
  connect(clock, &QTimer::timeout, this, [this, clock] {
    if (!writing_) return clock->deleteLater();
    progress_->setValue(static_cast<int>(1000 * writing_->share));
  });
  clock->start();
  in_background_of(
      this,
      [order = order(), out, writing = writing_] {
        return write_composition(order, out, [&](double share) {
          writing->share = share;
          return !writing->stopped;
        });
      },
      [this, out](Result<Composition>&& made) {
        if (made) written_ = out;
        written(made);
      });
  refresh();
}

void ComposeWindow::written(const Result<Composition>& made) {
  writing_.reset();
  if (made)
    say(tr("%1 stands, and the recipe of its stages beside it.")
            .arg(shown_path(path_text(written_))));
  else if (made.error().code == ErrorCode::Interrupted)
    say(tr("Stopped; nothing was written."));
  else
    say(error_text(made.error()), true);
  refresh();
}

void ComposeWindow::open_model() {
  workspace_.load_model(path_text(written_));
  close();
}

void ComposeWindow::open_stages() {
  const Status opened = workspace_.open_recipe(path_text(stages_recipe_path(written_)));
  if (!opened) return say(error_text(opened.error()), true);
  close();
}

void ComposeWindow::say(const QString& text, bool wrong) {
  note_->setText(text);
  note_->setVisible(!text.isEmpty());
  set_ink(note_, wrong ? Ink::Error : Ink::Text);
}

void ComposeWindow::refresh() {
  const bool writes = writing_ != nullptr;
  compose_->setEnabled(!writes && plan_ && !out_->text().trimmed().isEmpty());
  progress_->setVisible(writes);
  stop_->setVisible(writes);
  std::error_code absent;
  open_model_->setEnabled(!writes && !written_.empty());
  open_stages_->setEnabled(!writes && !written_.empty() &&
                           std::filesystem::exists(stages_recipe_path(written_), absent));
}

void ComposeWindow::retranslate() {
  const auto rows = connectors();
  const ConnectorSummary& chosen = rows[static_cast<std::size_t>(connector_->currentIndex())];
  setWindowTitle(tr("Compose a model"));
  drawn_->set_title(tr("From the picture to the next word"));
  stages_card_->set_title(tr("How its paper trains it"));
  tower_label_->setText(tr("Picture &tower: a folder, or small"));
  connector_label_->setText(tr("&Connector"));
  language_label_->setText(tr("&Language model: a folder, or small"));
  queries_label_->setText(tr("&Queries"));
  every_label_->setText(tr("A gated la&yer every"));
  seed_label_->setText(tr("See&d"));
  out_label_->setText(tr("Writ&e to"));
  for (QSpinBox* spin : {queries_, every_}) spin->setSpecialValueText(tr("as in the paper"));
  seed_->setToolTip(tr("Of what is drawn: the same order gives the same bytes"));
  for (QPushButton* button : {choose_tower_, choose_language_}) button->setText(tr("Choose…"));
  for (std::size_t i = 0; i < rows.size(); ++i)
    connector_->setItemText(static_cast<int>(i), said_text(rows[i].title));
  connector_says_->setText(
      chosen.towers.empty()
          ? tr("Becomes %1; without a tower; language model: %2")
                .arg(QString::fromStdString(chosen.model_type), said_text(chosen.language_models))
          : tr("Becomes %1; tower: %2; language model: %3")
                .arg(QString::fromStdString(chosen.model_type), said_text(chosen.towers),
                     said_text(chosen.language_models)));
  form_->setRowVisible(tower_label_->buddy()->parentWidget(), !chosen.towers.empty());
  form_->setRowVisible(queries_, chosen.has_queries);
  form_->setRowVisible(every_, chosen.has_interval);
  compose_->setText(tr("&Write the checkpoint"));
  stop_->setText(tr("&Stop"));
  open_model_->setText(tr("&Open it"));
  open_stages_->setText(tr("Open its sta&ges in the form"));
  parts_->setAccessibleName(tr("Parts"));
  stages_->setAccessibleName(tr("Stages"));
  parts_->setHorizontalHeaderLabels({tr("Part"), tr("Parameters"), tr("Drawn"), tr("What")});
  const std::pair<QWidget*, QString> names[] = {{tower_, tr("Picture tower")},
                                                {connector_, tr("Connector")},
                                                {language_, tr("Language model")},
                                                {queries_, tr("Queries")},
                                                {every_, tr("A gated layer every")},
                                                {seed_, tr("Seed")},
                                                {out_, tr("Write to")}};
  for (const auto& [field, name] : names) field->setAccessibleName(name);
  parts_->setRowCount(0);
  const int stage = stages_->currentRow();
  stages_->clear();
  sums_->clear();
  if (!plan_) return refresh();
  parts_->setRowCount(static_cast<int>(plan_->parts.size()));
  for (std::size_t i = 0; i < plan_->parts.size(); ++i) {
    const ComposedPart& part = plan_->parts[i];
    set_words(parts_, static_cast<int>(i),
              {QString::fromStdString(part.part), grouped_text(part.parameters),
               grouped_text(part.drawn)});
    auto* what = new QTableWidgetItem(part.folder.empty() ? said_text(part.what)
                                                          : QString::fromStdString(part.folder));
    what->setToolTip(said_text(part.what));
    parts_->setItem(static_cast<int>(i), kWhat, what);
  }
  for (const ComposedStage& each : plan_->stages)
    stages_->addItem(QString::number(stages_->count() + 1) + QStringLiteral("  ") +
                     QString::fromStdString(each.name));
  stages_->setCurrentRow(stage);
  const ComposedPicture& picture = plan_->picture;
  QStringList lines{
      tr("%1 parameters; %2 (%3)")
          .arg(grouped_text(plan_->parameters()), QString::fromStdString(plan_->model_type),
               QString::fromStdString(plan_->architecture)),
      tr("A picture of %1 × %2: %3 tokens in the tower, %4 states for the language "
         "model, %5 places in the text")
          .arg(picture.height)
          .arg(picture.width)
          .arg(picture.tower_tokens)
          .arg(picture.states)
          .arg(picture.text_tokens)};
  for (const std::string& note : plan_->notes) lines << said_text(note);
  sums_->setText(lines.join(QLatin1Char('\n')));
  refresh();
}

}  // namespace luthier
