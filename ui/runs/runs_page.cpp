// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Runs page. Folders are read in worker threads; a run that goes on is read anew
// at each visit.
#include "ui/runs/runs_page.h"

#include <QFileDialog>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QStackedWidget>
#include <QTableView>
#include <QTableWidget>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/compare/result_folder.h"
#include "ui/background.h"
#include "ui/chat/chat_window.h"
#include "ui/exporting/export_dialog.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/run_series.h"
#include "ui/runs/path_tails.h"
#include "ui/runs/run_list_model.h"
#include "ui/theme.h"
#include "ui/train/run_curves.h"
#include "ui/train/run_views.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/quiet_view.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr int kFollowMilliseconds = 5000;
constexpr int kHeadingRoom = 6;
constexpr int kSettingWidth = 100;
constexpr const char* kNotRead = "–";

RunSeries read_series(const std::filesystem::path& path) {
  RunSeries series;
  series.name = path_text(path.filename());
  const auto run = RunFolder::open(path);
  if (!run) return series;
  series.lines = run->read_metrics();
  for (const MetricsLine& line : series.lines)
    if (line.eval_loss) series.evaluations[line.step] = *line.eval_loss;
  if (!series.lines.empty() && series.lines.back().epoch > 0)
    series.steps_per_epoch =
        static_cast<double>(series.lines.back().step) / series.lines.back().epoch;
  return series;
}

}  // namespace

RunsPage::RunsPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  auto* layout = make_layout();
  layout->addWidget(make_head());
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  stack_ = new QStackedWidget(this);
  empty_ = new EmptyState(QStringLiteral("runs"), QStringLiteral("emptyRuns"), stack_);
  stack_->addWidget(empty_);
  auto* splitter = new Splitter(Qt::Vertical, stack_);
  splitter->addWidget(make_table());
  splitter->addWidget(make_below());
  splitter->setStretchFactor(0, 1);
  splitter->setStretchFactor(1, 3);
  splitter->setSizes({180, 460});
  stack_->addWidget(splitter);
  layout->addWidget(stack_, 1);
  connect(empty_->button(), &QPushButton::clicked, this, [this] { emit go_to(PageId::Train); });
  follow_ = new QTimer(this);
  follow_->setInterval(kFollowMilliseconds);
  connect(follow_, &QTimer::timeout, this, [this] {
    if (isVisible() && model_->any_active())
      reload();
    else
      follow_->stop();
  });
  // The run of this window is followed as it steps; those of other programs by what they have
  // written.
  connect(&workspace, &Workspace::run_grew, this, [this] {
    const auto& run = this->workspace().run();
    if (isVisible() && run && !run->lines.empty())
      model_->show_step(run->started.folder, run->lines.back());
  });
  connect(&workspace, &Workspace::run_started, this, [this] {
    if (isVisible()) reload();
  });
  connect(&bridge(), &SessionBridge::run_ended, this, [this] {
    if (isVisible()) reload();
    emit waits();
  });
  connect(&bridge(), &SessionBridge::state_changed, this, &RunsPage::refresh);
  connect(&bridge(), &SessionBridge::model_loaded, this,
          [this] { banner_->dismiss_about(QStringLiteral("model")); });
  on_language(this, [this] {
    model_->retranslate();
    refresh();
    show_differences();
  });
}

QWidget* RunsPage::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  auto* label = new QLabel(head);
  folder_ = new QLineEdit(QStringLiteral("runs"), head);
  folder_->setObjectName(QStringLiteral("runsFolder"));
  label->setBuddy(folder_);
  auto* browse = new QToolButton(head);
  browse->setObjectName(QStringLiteral("browseRuns"));
  set_themed_icon(browse, QStringLiteral("folder"));
  auto* again = new QToolButton(head);
  again->setObjectName(QStringLiteral("reloadRuns"));
  set_themed_icon(again, QStringLiteral("refresh"));
  compare_ = new QPushButton(head);
  compare_->setObjectName(QStringLiteral("compareRuns"));
  use_ = new QPushButton(head);
  use_->setObjectName(QStringLiteral("useSettings"));
  resume_ = new QPushButton(head);
  resume_->setObjectName(QStringLiteral("resumeRun"));
  export_ = new QToolButton(head);
  export_->setObjectName(QStringLiteral("exportRun"));
  set_themed_icon(export_, QStringLiteral("export"));
  chat_ = new QToolButton(head);
  chat_->setObjectName(QStringLiteral("chatWithRun"));
  set_themed_icon(chat_, QStringLiteral("ask"));
  row->addWidget(label);
  row->addWidget(folder_, 1);
  for (QWidget* widget :
       std::initializer_list<QWidget*>{browse, again, chat_, export_, use_, resume_, compare_})
    row->addWidget(widget);
  connect(export_, &QToolButton::clicked, this, &RunsPage::export_current);
  connect(chat_, &QToolButton::clicked, this, [this] {
    const int at = current_row();
    if (at < 0) return;
    const auto& summary = model_->rows()[static_cast<std::size_t>(at)].summary;
    ChatWindow::of(this->workspace(), this)->talk_with(path_text(summary.path));
  });
  connect(folder_, &QLineEdit::editingFinished, this, &RunsPage::reload);
  connect(again, &QToolButton::clicked, this, [this] {
    for (const auto& [run, series] : read_) stale_.insert(run);
    reload();
  });
  connect(browse, &QToolButton::clicked, this, [this] {
    const QString folder =
        QFileDialog::getExistingDirectory(this, tr("The folder that holds runs"), folder_->text());
    if (!folder.isEmpty()) set_folder(folder);
  });
  connect(compare_, &QPushButton::clicked, this, &RunsPage::compare_ticked);
  connect(use_, &QPushButton::clicked, this, [this] {
    const int at = current_row();
    if (at < 0 || !model_->rows()[static_cast<std::size_t>(at)].recipe) return;
    Recipe recipe = *model_->rows()[static_cast<std::size_t>(at)].recipe;
    recipe.output_dir =
        workspace().free_run_folder(QString::fromStdString(recipe.output_dir)).toStdString();
    workspace().replace_recipe(recipe);
    emit go_to(PageId::Train);
  });
  connect(resume_, &QPushButton::clicked, this, [this] {
    const int at = current_row();
    if (at < 0) return;
    emit go_to(PageId::Train);
    workspace().resume_run(path_text(model_->rows()[static_cast<std::size_t>(at)].summary.path));
  });
  on_language(head, [this, label, browse, again] {
    label->setText(tr("Runs &in"));
    folder_->setAccessibleName(tr("The folder that holds runs"));
    browse->setToolTip(tr("Choose the folder"));
    browse->setAccessibleName(tr("Choose the folder"));
    again->setToolTip(tr("Read again"));
    again->setAccessibleName(tr("Read again"));
    use_->setText(tr("&Use its settings"));
    use_->setToolTip(
        tr("Takes the selected run's settings to the Train page, with a new run folder"));
    resume_->setText(tr("R&esume"));
    resume_->setToolTip(tr("Goes on from the selected run's newest checkpoint"));
    for (const auto& [button, words] :
         {std::pair{export_, tr("Export the selected run's result: GGUF, safetensors, PEFT")},
          std::pair{chat_, tr("Chat with the selected run's result")}}) {
      button->setToolTip(words);
      button->setAccessibleName(words);
    }
    compare_->setText(tr("Compare the ticked"));
    compare_->setToolTip(tr("Attaches the ticked runs' adapters on the Compare page"));
  });
  return head;
}

void RunsPage::export_current() {
  const int at = current_row();
  if (at < 0) return;
  const auto& summary = model_->rows()[static_cast<std::size_t>(at)].summary;
  ExportDialog::of(workspace(), this)->show_result(path_text(summary.path));
}

QWidget* RunsPage::make_table() {
  auto* card = new Card(this);
  model_ = new RunListModel(this);
  table_ = new QTableView(card);
  table_->setObjectName(QStringLiteral("runTable"));
  table_->setModel(model_);
  make_quiet(table_);
  table_->setShowGrid(false);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setTabKeyNavigation(false);
  table_->setWordWrap(false);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setDefaultSectionSize(28);
  table_->horizontalHeader()->setHighlightSections(false);
  table_->horizontalHeader()->setStretchLastSection(true);
  const int widths[] = {120, 76, 100, 84, 140, 66, 72, 80, 84, 120};
  for (int column = 0; column < RunListModel::ColumnCount; ++column)
    table_->setColumnWidth(column, widths[column]);
  card->body()->addWidget(table_);
  connect(model_, &RunListModel::ticks_changed, this, &RunsPage::show_ticked);
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &RunsPage::refresh);
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &RunsPage::show_drawn);
  on_language(card, [this] {
    table_->setAccessibleName(tr("Past runs"));
    // No heading is cut, whatever the language.
    for (int column = 0; column < RunListModel::When; ++column) {
      const int needed = table_->horizontalHeader()->sectionSizeHint(column) + kHeadingRoom;
      if (table_->columnWidth(column) < needed) table_->setColumnWidth(column, needed);
    }
  });
  return card;
}

QWidget* RunsPage::make_below() {
  auto* splitter = new Splitter(Qt::Horizontal, this);
  views_ = new RunViews(splitter);
  curves_ = views_->curves();
  connect(views_, &RunViews::failed, this,
          [this](const Error& error) { banner_->show_error(error); });
  splitter->addWidget(views_);
  auto* card = new Card(splitter);
  differences_note_ = muted_label(card, 0.88);
  card->body()->addWidget(differences_note_);
  differences_ = new QTableWidget(card);
  differences_->setObjectName(QStringLiteral("differenceTable"));
  make_quiet(differences_);
  differences_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  differences_->setTabKeyNavigation(false);
  // Values are wrapped, not elided: two paths that end alike would look alike.
  differences_->setTextElideMode(Qt::ElideNone);
  differences_->setWordWrap(true);
  differences_->verticalHeader()->hide();
  differences_->verticalHeader()->setMinimumSectionSize(26);
  differences_->verticalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  differences_->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
  card->body()->addWidget(differences_, 1);
  card->body()->addStretch(0);
  splitter->addWidget(card);
  splitter->setStretchFactor(0, 1);
  splitter->setSizes({800, 320});
  on_language(card, [this, card] {
    card->set_title(tr("Settings that differ"));
    differences_->setAccessibleName(tr("Settings that differ"));
  });
  return splitter;
}

void RunsPage::entered() {
  if (first_) {
    const std::filesystem::path run(workspace().recipe().output_dir);
    if (run.has_parent_path()) folder_->setText(path_text(run.parent_path()));
    first_ = false;
  }
  reload();
}

void RunsPage::set_folder(const QString& folder) {
  folder_->setText(folder);
  first_ = false;
  fresh_ = true;
  read_.clear();
  reload();
}

void RunsPage::reload() {
  const int ticket = ++ticket_;
  in_background_of(
      this, [folder = to_path(folder_->text())] { return read_runs(folder); },
      [this, ticket](std::vector<RunRow> rows) {
        if (ticket_ == ticket) show_rows(std::move(rows));
      });
}

void RunsPage::show_rows(std::vector<RunRow> rows) {
  // A run that goes on, or did when it was read, has longer curves by now. The old ones stay until
  // the new ones are there.
  const std::vector<RunRow>* const lists[] = {&model_->rows(), &rows};
  for (const std::vector<RunRow>* list : lists)
    for (const RunRow& row : *list)
      if (row.summary.active) stale_.insert(row.summary.path);
  const int at = current_row();
  const std::filesystem::path current =
      at >= 0 && at < model_->rowCount() ? model_->rows()[static_cast<std::size_t>(at)].summary.path
                                         : "";
  model_->set_rows(std::move(rows));
  const int count = model_->rowCount();
  if (std::exchange(fresh_, count == 0) && count > 0 && model_->ticked_rows().empty())
    model_->set_ticked(0, true);
  int chosen = 0;
  for (int row = 0; row < count; ++row)
    if (model_->rows()[static_cast<std::size_t>(row)].summary.path == current) chosen = row;
  if (count > 0) table_->selectRow(chosen);
  if (model_->any_active() && isVisible()) follow_->start();
  show_ticked();
  show_drawn();
  refresh();
}

void RunsPage::show_ticked() {
  std::vector<RunSeries> series;
  for (const int row : model_->ticked_rows()) {
    const std::filesystem::path& path = model_->rows()[static_cast<std::size_t>(row)].summary.path;
    const auto found = read_.find(path);
    if (found == read_.end() || stale_.count(path)) read_metrics(path);
    stale_.erase(path);
    if (found == read_.end()) {
      RunSeries empty;
      empty.name = path_text(path.filename());
      series.push_back(std::move(empty));
    } else {
      series.push_back(found->second);
    }
  }
  curves_->series() = std::move(series);
  curves_->changed();
  show_differences();
  refresh();
}

void RunsPage::read_metrics(const std::filesystem::path& run) {
  in_background_of(
      this, [run] { return read_series(run); },
      [this, run](RunSeries series) {
        read_[run] = std::move(series);
        show_ticked();
      });
}

/// Of the selected run, which is looked at alone.
void RunsPage::show_drawn() {
  const int at = current_row();
  if (at < 0 || at >= model_->rowCount()) {
    views_->follow(false);
    views_->set_run({}, {});
    return;
  }
  const RunRow& row = model_->rows()[static_cast<std::size_t>(at)];
  if (views_->folder() != row.summary.path)
    views_->set_run(row.summary.path, row.recipe.value_or(Recipe()));
  views_->follow(row.summary.active);
}

void RunsPage::show_differences() {
  std::vector<const RunRow*> rows;
  for (const int row : model_->ticked_rows())
    if (model_->rows()[static_cast<std::size_t>(row)].recipe)
      rows.push_back(&model_->rows()[static_cast<std::size_t>(row)]);
  // Without two runs there is nothing to compare, and a table without cells shows its columns'
  // numbers as their names.
  differences_->setRowCount(0);
  differences_->setColumnCount(rows.size() < 2 ? 0 : static_cast<int>(rows.size()) + 1);
  differences_->setVisible(rows.size() >= 2);
  if (rows.size() >= 2) {
    // The longest word of a setting's name is read whole.
    differences_->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Fixed);
    differences_->horizontalHeader()->resizeSection(0, kSettingWidth);
  }
  if (rows.size() < 2) {
    differences_note_->setText(tr("Tick two runs or more: what was set differently stands here."));
    return;
  }
  QStringList heads{tr("Setting")};
  for (const RunRow* row : rows) heads << QString::fromStdString(row->summary.name);
  differences_->setHorizontalHeaderLabels(heads);
  std::map<std::string, std::vector<std::string>> values;
  for (std::size_t i = 1; i < rows.size(); ++i)
    for (const FieldDifference& difference :
         recipe_differences(*rows[0]->recipe, *rows[i]->recipe)) {
      auto [entry, fresh] = values.try_emplace(
          difference.key, std::vector<std::string>(rows.size(), difference.left));
      entry->second[i] = difference.right;
    }
  // A setting says nothing of a run whose method or objective does not have it.
  for (const FieldDescription& field : recipe_fields()) {
    const auto found = values.find(field.key);
    if (found == values.end()) continue;
    bool any = false;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool read = applies(field, *rows[i]->recipe);
      if (!read) found->second[i] = kNotRead;
      any = any || read;
    }
    if (!any) values.erase(found);
  }
  // Of paths the end tells them apart.
  std::vector<std::string> paths;
  for (const auto& [key, list] : values)
    for (const std::string& value : list)
      if (value.find('/') != std::string::npos) paths.push_back(value);
  const std::map<std::string, QString> tails = path_tails(paths);
  differences_->setRowCount(static_cast<int>(values.size()));
  int line = 0;
  for (const auto& [key, list] : values) {
    auto* name = new QTableWidgetItem(QString::fromStdString(key));
    for (const FieldDescription& field : recipe_fields())
      if (field.key == key) name->setText(recipe_text(field.label));
    name->setToolTip(QString::fromStdString(key));
    differences_->setItem(line, 0, name);
    for (std::size_t i = 0; i < list.size(); ++i) {
      auto* item = new QTableWidgetItem(QString::fromStdString(list[i]));
      item->setToolTip(item->text());
      if (const auto tail = tails.find(list[i]); tail != tails.end()) item->setText(tail->second);
      differences_->setItem(line, static_cast<int>(i) + 1, item);
    }
    ++line;
  }
  differences_note_->setText(
      values.empty() ? tr("These runs have the same settings.")
                     : tr("%n settings differ.", nullptr, static_cast<int>(values.size())));
}

void RunsPage::compare_ticked() {
  const auto& model = workspace().model();
  if (!model) {
    banner_->show_text(Banner::Kind::Warning,
                       tr("Adapters are compared on a base: load its model first."));
    banner_->offer(tr("Choose a model"), [this] { emit go_to(PageId::Model); });
    banner_->set_about(QStringLiteral("model"));
    return;
  }
  for (const int row : model_->ticked_rows()) {
    const RunSummary& summary = model_->rows()[static_cast<std::size_t>(row)].summary;
    const auto result = find_result(summary.path);
    if (!result) continue;
    const auto& attached = workspace().adapters();
    const bool there = std::any_of(attached.begin(), attached.end(), [&](const AttachedAdapter& a) {
      return a.folder == result->folder;
    });
    if (!there) workspace().attach_adapter(path_text(summary.path));
  }
  emit go_to(PageId::Compare);
}

int RunsPage::current_row() const { return table_->currentIndex().row(); }

void RunsPage::refresh() {
  stack_->setCurrentIndex(model_->rowCount() > 0 ? 1 : 0);
  empty_->set_texts(tr("No runs in this folder yet"),
                    tr("Every run that trains is listed here with its curves, also after a "
                       "restart. Launch one, or choose another folder above."),
                    tr("Go to Train"));
  const int at = current_row();
  const RunRow* row =
      at >= 0 && at < model_->rowCount() ? &model_->rows()[static_cast<std::size_t>(at)] : nullptr;
  use_->setEnabled(row && row->recipe);
  resume_->setEnabled(row && row->recipe && row->summary.newest_checkpoint &&
                      !row->summary.active && row->summary.manifest.state != RunState::Finished &&
                      can_launch(workspace().state()));
  const bool result = row && (row->summary.has_adapter || find_result(row->summary.path));
  export_->setEnabled(result);
  chat_->setEnabled(result);
  bool any_result = false;
  for (const int ticked : model_->ticked_rows()) {
    const RunSummary& summary = model_->rows()[static_cast<std::size_t>(ticked)].summary;
    any_result = any_result || summary.has_adapter || find_result(summary.path);
  }
  compare_->setEnabled(any_result);
}

}  // namespace luthier
