// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Runs page. Folders are read in worker threads; a run that goes on is read anew
// at each visit.
#include "ui/runs/runs_page.h"

#include <QLineEdit>
#include <QPushButton>
#include <QStackedWidget>
#include <QTabBar>
#include <QTableView>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/compare/result_folder.h"
#include "engine/runs/foreign_run.h"
#include "engine/runs/run_bin.h"
#include "ui/background.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/run_queue.h"
#include "ui/run_series.h"
#include "ui/runs/notes_panel.h"
#include "ui/runs/outcomes_view.h"
#include "ui/runs/queue_panel.h"
#include "ui/runs/run_actions.h"
#include "ui/runs/run_list_model.h"
#include "ui/runs/run_order.h"
#include "ui/runs/setting_differences.h"
#include "ui/train/run_curves.h"
#include "ui/train/run_views.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr int kFollowMilliseconds = 5000, kTagMilliseconds = 300;

RunSeries read_series(const std::filesystem::path& path) {
  RunSeries series;
  series.name = path_text(path.filename());
  std::vector<MetricsLine> lines;
  if (const auto run = RunFolder::open(path)) {
    lines = run->read_metrics();
    series.marked = marked_events(run->read_events());
  } else if (auto foreign = read_foreign_run(path)) {
    series.name = QString::fromStdString(foreign->name);
    lines = std::move(foreign->lines);
  }
  for (const MetricsLine& line : lines) {
    series.lines.push_back(line);
    if (line.eval_loss) series.evaluations[line.step] = *line.eval_loss;
  }
  if (!lines.empty() && lines.back().epoch > 0)
    series.steps_per_epoch = static_cast<double>(lines.back().step) / lines.back().epoch;
  return series;
}

}  // namespace

RunsPage::RunsPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  auto* layout = make_layout();
  layout->addWidget(make_head());
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  model_ = new RunListModel(this);
  order_ = new RunOrder(*model_, this);
  actions_ = new RunActions(workspace, *banner_, this);
  verbs_->setMenu(actions_->menu());
  pages_ = new QStackedWidget(this);
  stack_ = new QStackedWidget(pages_);
  empty_ = new EmptyState(QStringLiteral("runs"), QStringLiteral("emptyRuns"), stack_);
  stack_->addWidget(empty_);
  auto* splitter = new Splitter(Qt::Vertical, stack_);
  splitter->addWidget(make_table());
  splitter->addWidget(make_below());
  splitter->setStretchFactor(0, 1);
  splitter->setStretchFactor(1, 3);
  splitter->setSizes({220, 430});
  stack_->addWidget(splitter);
  queue_ = new QueuePanel(workspace, *banner_, pages_);
  outcomes_ = new OutcomesView(pages_);
  for (QWidget* each : std::initializer_list<QWidget*>{stack_, queue_, outcomes_})
    pages_->addWidget(each);
  layout->addWidget(pages_, 1);
  connect(tabs_, &QTabBar::currentChanged, pages_, &QStackedWidget::setCurrentIndex);
  connect(pages_, &QStackedWidget::currentChanged, this, &RunsPage::show_outcomes);
  connect_actions();
  connect(empty_->button(), &QPushButton::clicked, this, [this] { emit go_to(PageId::Train); });
  follow_ = new QTimer(this);
  follow_->setInterval(kFollowMilliseconds);
  connect(follow_, &QTimer::timeout, this, [this] {
    if (!isVisible() || !model_->any_active())
      follow_->stop();
    else if (!table_->findChild<QLineEdit*>())  // a name or tags are being typed
      reload();
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
    retranslate_tabs();
    refresh();
    show_differences();
  });
}

void RunsPage::retranslate_tabs() {
  tabs_->setAccessibleName(tr("Parts of the Runs page"));
  tabs_->setTabText(0, tr("Past runs"));
  const auto waiting = static_cast<int>(workspace().queue().waiting());
  tabs_->setTabText(1, waiting > 0 ? tr("Queue (%1)").arg(waiting) : tr("Queue"));
  tabs_->setTabText(2, tr("Outcomes"));
  side_->setAccessibleName(tr("Beside the curves"));
  side_->setTabText(0, tr("Settings that differ"));
  side_->setTabText(1, tr("Notes"));
}

void RunsPage::connect_actions() {
  connect(actions_, &RunActions::list_changed, this, &RunsPage::reload);
  connect(actions_, &RunActions::rename_asked, this, [this] {
    table_->edit(order_->index(table_->currentIndex().row(), RunListModel::Name));
  });
  connect(actions_, &RunActions::start_asked, this, [this](const QString& folder) {
    emit go_to(PageId::Train);
    this->workspace().resume_run(folder);
  });
  connect(actions_, &RunActions::leaves, this, [this](const std::filesystem::path& run) {
    notes_->let_go(run);
    read_.erase(run);
  });
  connect(actions_, &RunActions::tick_asked, this, [this](bool all) {
    std::vector<int> rows;
    for (int row = 0; all && row < order_->rowCount(); ++row)
      rows.push_back(order_->list_row(order_->index(row, 0)));
    model_->set_ticks(rows);
  });
  connect(model_, &RunListModel::rename_asked, this, &RunsPage::rename_run_to);
  connect(model_, &RunListModel::tags_asked, this, &RunsPage::tag_run);
  connect(notes_, &NotesPanel::noted, this,
          [this](const std::filesystem::path& run, const RunNotes& notes) {
            model_->set_notes(run, notes);
            show_outcomes();
          });
  connect(notes_, &NotesPanel::failed, this,
          [this](const Error& error) { banner_->show_error(error); });
  connect(queue_, &QueuePanel::swept, outcomes_, &OutcomesView::show_tag);
  connect(outcomes_, &OutcomesView::run_chosen, this, &RunsPage::select_run);
  connect(&workspace().queue(), &RunQueue::changed, this, &RunsPage::retranslate_tabs);
  // What a sweep's run came to, and its tag, are there a moment after it ended.
  connect(&workspace().queue(), &RunQueue::ended, this, [this] {
    QTimer::singleShot(kTagMilliseconds, this, [this] {
      if (isVisible()) reload();
    });
  });
}

void RunsPage::rename_run_to(const std::filesystem::path& run, const QString& name) {
  notes_->let_go(run);
  in_background_of(
      this, [run, name = name.toStdString()] { return rename_run(run, name); },
      [this, run](const Result<std::filesystem::path>& renamed) {
        if (!renamed) {
          banner_->show_error(renamed.error());
        } else {
          if (const auto read = read_.find(run); read != read_.end()) {
            read->second.name = path_text(renamed->filename());
            read_[*renamed] = read->second;
            read_.erase(run);
          }
          wanted_ = *renamed;
        }
        reload();
      });
}

void RunsPage::tag_run(const std::filesystem::path& run, const QString& tags) {
  notes_->save();  // what is being typed there about this run
  RunNotes notes;
  for (const RunRow& row : model_->rows())
    if (row.summary.path == run) notes = row.notes;
  notes.tags = tags_from_text(tags.toStdString());
  model_->set_notes(run, notes);
  refresh();
  show_outcomes();
  in_background_of(
      this, [run, notes] { return write_run_notes(run, notes); },
      [this](const Status& written) {
        if (!written) banner_->show_error(written.error());
      },
      note_writer());
}

void RunsPage::select_run(std::filesystem::path run) {
  for (int row = 0; row < model_->rowCount(); ++row)
    if (model_->rows()[static_cast<std::size_t>(row)].summary.path == run &&
        order_->shown_row(row) >= 0)
      table_->selectRow(order_->shown_row(row));
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

void RunsPage::show_queue() { tabs_->setCurrentIndex(1); }

void RunsPage::reload() {
  const int ticket = ++ticket_;
  in_background_of(
      this,
      [folder = to_path(folder_->text()), imported = RunActions::imported()] {
        note_writer().waitForDone();
        return read_runs(folder, imported);
      },
      [this, ticket, saves = notes_->saves()](std::vector<RunRow> rows) {
        if (ticket_ != ticket) return;
        // What was noted while the list was read is newer.
        for (RunRow& row : rows)
          if (notes_->saves() != saves && notes_->run() == row.summary.path)
            row.notes = notes_->saved();
        show_rows(std::move(rows));
      });
}

void RunsPage::show_rows(std::vector<RunRow> rows) {
  // A run that goes on, or did when it was read, has longer curves by now. The old ones stay until
  // the new ones are there.
  const std::vector<RunRow>* const lists[] = {&model_->rows(), &rows};
  for (const std::vector<RunRow>* list : lists)
    for (const RunRow& row : *list)
      if (row.summary.active) stale_.insert(row.summary.path);
  const RunRow* selected = current_run();
  const std::filesystem::path current = !wanted_.empty() ? std::exchange(wanted_, {})
                                        : selected       ? selected->summary.path
                                                         : std::filesystem::path();
  model_->set_rows(std::move(rows));
  const int count = model_->rowCount();
  if (std::exchange(fresh_, count == 0) && count > 0 && model_->ticked_rows().empty())
    model_->set_ticked(0, true);
  select_run(current);
  if (!table_->currentIndex().isValid() && order_->rowCount() > 0) table_->selectRow(0);
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
    if ((found == read_.end() || stale_.count(path)) && reading_.insert(path).second) {
      stale_.erase(path);
      read_metrics(path);
    }
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
        reading_.erase(run);
        read_[run] = std::move(series);
        show_ticked();
      });
}

/// Of the selected run, which is looked at alone.
void RunsPage::show_drawn() {
  const RunRow* shown = current_run();
  if (!shown || shown->foreign) {
    views_->follow(false);
    views_->set_run({}, {});
    return;
  }
  const RunRow& row = *shown;
  if (views_->folder() != row.summary.path)
    views_->set_run(row.summary.path, row.recipe.value_or(Recipe()));
  views_->follow(row.summary.active);
}

void RunsPage::show_differences() {
  std::vector<const RunRow*> rows;
  for (const int row : model_->ticked_rows())
    if (model_->rows()[static_cast<std::size_t>(row)].recipe)
      rows.push_back(&model_->rows()[static_cast<std::size_t>(row)]);
  differences_->show_rows(rows);
  show_outcomes();
}

/// Those that nobody sees are left until they are.
void RunsPage::show_outcomes() {
  if (outcomes_->isVisible()) outcomes_->show_rows(model_->rows());
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

int RunsPage::current_row() const { return order_->list_row(table_->currentIndex()); }

const RunRow* RunsPage::current_run() const {
  const int at = current_row();
  return at >= 0 && at < model_->rowCount() ? &model_->rows()[static_cast<std::size_t>(at)]
                                            : nullptr;
}

void RunsPage::refresh() {
  stack_->setCurrentIndex(model_->rowCount() > 0 ? 1 : 0);
  empty_->set_texts(tr("No runs in this folder yet"),
                    tr("Every run that trains is listed here with its curves, also after a "
                       "restart. Launch one, or choose another folder above."),
                    tr("Go to Train"));
  const RunRow* row = current_run();
  actions_->set_run(row);
  const bool own = row && !row->foreign;
  notes_->show_run(own ? std::optional(row->summary.path) : std::nullopt,
                   own ? row->notes : RunNotes());
  use_->setEnabled(row && row->recipe);
  resume_->setEnabled(row && row->recipe && row->summary.newest_checkpoint &&
                      !row->summary.active && row->summary.manifest.state != RunState::Finished &&
                      can_launch(workspace().state()));
  bool any_result = false;
  for (const int ticked : model_->ticked_rows()) {
    const RunSummary& summary = model_->rows()[static_cast<std::size_t>(ticked)].summary;
    any_result = any_result || summary.has_adapter || find_result(summary.path);
  }
  compare_->setEnabled(any_result);
}

}  // namespace luthier
