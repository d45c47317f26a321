// SPDX-License-Identifier: GPL-3.0-or-later
// Runs in the workspace: launching and resuming, the live run as its events come in, what a resumed
// run wrote before, and the interrupted run that is offered at the start.
#include <QDir>
#include <QFileInfo>
#include <QSettings>
#include <algorithm>
#include <utility>

#include "engine/config/kinds.h"
#include "engine/config/rollouts.h"
#include "engine/io/named_place.h"
#include "engine/runs/run_edits.h"
#include "engine/runs/run_folder.h"
#include "ui/background.h"
#include "ui/format.h"
#include "ui/messages.h"
#include "ui/workspace.h"

namespace luthier {

namespace {

constexpr int kRecentRunFolders = 6;
const QString kRunFolders = QStringLiteral("run_folders");
const QString kDeclinedRuns = QStringLiteral("declined_runs");

QString whole_path(const std::filesystem::path& path) {
  return QDir::cleanPath(QFileInfo(path_text(path)).absoluteFilePath());
}

struct History {
  std::vector<MetricsLine> lines;
  std::vector<RunEvent> events;
  std::vector<std::pair<std::int64_t, double>> evaluations;
};

/// Nothing of a long history is copied on the window's thread.
template <class Value>
std::vector<Value> joined(std::vector<Value> before, std::vector<Value> after) {
  before.insert(before.end(), std::make_move_iterator(after.begin()),
                std::make_move_iterator(after.end()));
  return before;
}

History history_of(const std::filesystem::path& folder, std::int64_t first_step) {
  History history;
  const auto run = RunFolder::open(folder);
  if (!run) return history;
  history.lines = run->read_metrics();
  std::erase_if(history.lines, [&](const MetricsLine& line) { return line.step > first_step; });
  for (const MetricsLine& line : history.lines)
    if (line.eval_loss) history.evaluations.emplace_back(line.step, *line.eval_loss);
  history.events = run->read_events();
  // Changes by hand that are still to be made again come when they are.
  std::erase_if(history.events, [&](const RunEvent& event) { return event.step > first_step; });
  return history;
}

/// Whether a person threw the result away.
bool was_discarded(const std::filesystem::path& folder) {
  const auto run = RunFolder::open(folder);
  if (!run) return true;
  const std::vector<RunEvent> events = run->read_events();
  return !events.empty() && events.back().kind == "stopped" && events.back().detail == "not saved";
}

/// The run that was touched last, of those that can go on; nullopt when there is none.
std::optional<RunSummary> newest_interrupted(const QStringList& folders,
                                             const QStringList& declined) {
  std::optional<RunSummary> newest;
  for (const QString& folder : folders) {
    for (RunSummary& run : list_runs(to_path(folder))) {
      const RunState state = run.manifest.state;
      const bool stands = state == RunState::Interrupted || state == RunState::Stopped;
      if (!stands || run.active || !run.newest_checkpoint || !run.problem.empty()) continue;
      if (newest && newest->manifest.updated >= run.manifest.updated) continue;
      const QString mark =
          whole_path(run.path) + QLatin1Char('|') + QString::fromStdString(run.manifest.updated);
      if (declined.contains(mark) || was_discarded(run.path)) continue;
      newest = std::move(run);
    }
  }
  return newest;
}

}  // namespace

void Workspace::connect_run() {
  // A drain hands on many steps at once: what follows the run hears of them once.
  auto* grew = new QTimer(this);
  grew->setSingleShot(true);
  grew->setInterval(0);
  connect(grew, &QTimer::timeout, this, &Workspace::run_grew);
  connect(&bridge_, &SessionBridge::run_started, this, [this](const RunStarted& event) {
    run_ = std::make_unique<LiveRun>();
    run_->started = event;
    run_->rate = event.learning_rate;
    launching_ = false;
    QStringList folders = QSettings().value(kRunFolders).toStringList();
    const QString parent = QFileInfo(whole_path(event.folder)).path();
    folders.removeAll(parent);
    folders.prepend(parent);
    QSettings().setValue(kRunFolders, QStringList(folders.mid(0, kRecentRunFolders)));
    emit run_started();
    emit stages_changed();
    if (event.first_step > 0) read_history();
  });
  connect(&bridge_, &SessionBridge::stage_began, this, [this](const StageBegan& event) {
    stage_ = event;
    emit stages_changed();
  });
  connect(&bridge_, &SessionBridge::step_done, this, [this, grew](const StepDone& event) {
    if (!run_) return;
    run_->lines.push_back(event.line);
    run_->eta_seconds = event.eta_seconds;
    grew->start();
  });
  connect(&bridge_, &SessionBridge::evaluation_done, this,
          [this, grew](const EvaluationDone& event) {
            if (!run_) return;
            run_->evaluations.emplace_back(event.step, event.eval_loss);
            grew->start();
          });
  connect(&bridge_, &SessionBridge::run_event, this, [this, grew](const RunEvent& event) {
    if (!run_) return;
    if (const auto edit = edit_of(event); edit && event.kind == "learning_rate")
      run_->rate = edit->value;
    // The history may have been read after this was written down.
    if (std::find(run_->events.begin(), run_->events.end(), event) == run_->events.end())
      run_->events.push_back(event);
    grew->start();
  });
  connect(&bridge_, &SessionBridge::run_ended, this, [this](const RunEnded& event) {
    if (std::exchange(launching_, false) && event.error) {
      emit launch_refused(*event.error);
      return;
    }
    if (run_) {
      run_->ended = true;
      run_->end_state = event.state;
    }
    emit stages_changed();
    emit run_ended(event);
  });
}

void Workspace::read_history() {
  const LiveRun* of = run_.get();
  const std::filesystem::path folder = run_->started.folder;
  const std::int64_t first_step = run_->started.first_step;
  in_background_of(
      this, [folder, first_step] { return history_of(folder, first_step); },
      [this, of](History history) {
        if (run_.get() != of) return;
        LiveRun& run = *run_;
        run.lines = joined(std::move(history.lines), std::move(run.lines));
        run.evaluations = joined(std::move(history.evaluations), std::move(run.evaluations));
        for (RunEvent& event : run.events)
          if (std::find(history.events.begin(), history.events.end(), event) ==
              history.events.end())
            history.events.push_back(std::move(event));
        run.events = std::move(history.events);
        emit run_history_read();
      });
}

void Workspace::set_reward_program(const QString& path) {
  reward_program_ = path;
  const std::string key = reward_funcs_key(recipe_);
  std::vector<std::string> names =
      key.empty() ? std::vector<std::string>() : recipe_.more.names(key);
  const auto named = std::find(names.begin(), names.end(), kProgramReward);
  const bool stays = key.empty() || path.isEmpty() == (named == names.end());
  if (path.isEmpty() && named != names.end())
    names.erase(named);
  else if (named == names.end())
    names.push_back(kProgramReward);
  // What is chosen is shown where the recipe is, whether that changes or not.
  if (stays || !set_field(key, Json(names).dump())) emit recipe_changed();
}

std::filesystem::path Workspace::program_for(const Recipe& recipe) const {
  return asks_for_program(recipe) ? to_path(reward_program_) : std::filesystem::path();
}

void Workspace::launch() {
  if (launching_ || refuse_faults()) return;  // launching: pressed twice
  stage_.reset();
  if (staged_) {
    staged_ = staged();
    launch_staged({});
    return;
  }
  if (const Status fine = check_recipe(recipe_); !fine) {
    emit launch_refused(fine.error());
    if (const std::string key = field_of(fine.error()); !key.empty()) emit field_wanted(key);
    return;
  }
  launching_ = true;
  if (!launch_elsewhere(recipe_to_yaml(recipe_), {}, program_for(recipe_)))
    session().launch(recipe_, {}, 0, program_for(recipe_));
}

bool Workspace::launch_recipe(const Recipe& recipe, std::size_t held_out_answers) {
  if (launching_ || device_lost_ || session().has_run() || !can_launch(state())) return false;
  launching_ = true;
  stage_.reset();
  session().launch(recipe, {}, held_out_answers, program_for(recipe));
  return true;
}

void Workspace::resume_run(const QString& folder) {
  if (launching_) return;
  stage_.reset();
  if (resume_stages(folder)) return;
  const QString file = QDir(folder).filePath(QStringLiteral("recipe.yaml"));
  auto recipe = read_recipe(to_path(file));
  if (!recipe) {
    emit launch_refused(recipe.error());
    return;
  }
  // The run's own recipe.yaml is no file to save changes to.
  replace_recipe(*recipe);
  launching_ = true;
  if (!launch_elsewhere(recipe_to_yaml(recipe_), to_path(folder), program_for(recipe_)))
    session().launch(recipe_, to_path(folder), 0, program_for(recipe_));
}

void Workspace::start_anew(const QString& run) {
  emit anew_asked(run, run.isEmpty() ? last_model_ : QString());
}

void Workspace::cancel_loading() {
  if (!can_cancel_loading(state())) return;
  if (launching_)
    session().stop(StopKind::Discard);
  else
    session().cancel_loading();
}

QStringList Workspace::recent_run_folders() const {
  return QSettings().value(kRunFolders).toStringList();
}

void Workspace::find_interrupted() {
  QStringList folders = recent_run_folders();
  folders << QDir::current().absoluteFilePath(QStringLiteral("runs"));
  const std::filesystem::path own = named_place(recipe_.output_dir);
  if (own.has_parent_path()) folders << whole_path(own.parent_path());
  folders.removeDuplicates();
  const QStringList declined = QSettings().value(kDeclinedRuns).toStringList();
  in_background_of(
      this, [folders, declined] { return newest_interrupted(folders, declined); },
      [this](const std::optional<RunSummary>& found) {
        if (found && !can_stop(state())) emit interrupted_found(*found);
      });
}

void Workspace::decline_interrupted(const RunSummary& run) {
  QStringList declined = QSettings().value(kDeclinedRuns).toStringList();
  declined.prepend(whole_path(run.path) + QLatin1Char('|') +
                   QString::fromStdString(run.manifest.updated));
  QSettings().setValue(kDeclinedRuns, QStringList(declined.mid(0, 100)));
}

std::vector<std::string> Workspace::columns_to_ask() const {
  if (run_ && !run_->ended && can_stop(state())) {
    if (method_kind(run_->started.recipe.strategy).hangs_adapter()) return {kTrainingColumn};
    return {};
  }
  std::vector<std::string> names;
  for (const AttachedAdapter& adapter : adapters_) names.push_back(adapter.name);
  return names;
}

QString Workspace::free_run_folder(const QString& wanted) const {
  if (!QFileInfo::exists(wanted)) return wanted;
  for (int i = 2;; ++i) {
    const QString next = QStringLiteral("%1-%2").arg(wanted).arg(i);
    if (!QFileInfo::exists(next)) return next;
  }
}

}  // namespace luthier
