// SPDX-License-Identifier: GPL-3.0-or-later
// The script of the pictures: its pieces, and the run that they are about.
#include "app/gui/screenshots.h"

#include <QAbstractButton>
#include <QAction>
#include <QDialog>
#include <QElapsedTimer>
#include <QLabel>
#include <QLineEdit>
#include <QTabBar>
#include <QTabWidget>
#include <cstdio>

#include "ui/format.h"
#include "ui/main_window.h"
#include "ui/start/teaching_start.h"

namespace luthier {

namespace {

constexpr double kPatience = 900;  // seconds
const QString kRuns = QStringLiteral("runs");

/// As it is called from the folder that the program works in.
std::string from_here(const std::string& path) {
  std::error_code problem;
  const auto here = std::filesystem::relative(path, problem);
  return problem || here.empty() ? path : here.string();
}

}  // namespace

int Screenshots::run() {
  window_.show();
  const bool done = drive();
  for (const QString& told : looks_.telling())
    std::fprintf(stderr, "screenshots: a path of this machine is shown: %s\n", qPrintable(told));
  return done && looks_.telling().isEmpty() ? 0 : 1;
}

bool Screenshots::drive() {
  return show_empty_pages() && show_model() && show_data() && show_row_tools() &&
         show_annotation() && show_settings() && show_run() && show_runs() && show_methods() &&
         show_compare() && show_merge() && show_ranks() && show_lab() && show_dialogs() && show_roll_outs() &&
         show_interrupted() && show_sizes_of_words();
}

bool Screenshots::open(std::size_t task) {
  Workspace& workspace = window_.workspace();
  const auto opened = [&]() -> Status {
    LUTHIER_TRY(const auto tasks, teaching_tasks());
    LUTHIER_TRY(const auto base, teaching_base());
    LUTHIER_CHECK(set_up_task(workspace, tasks[std::min(task, tasks.size() - 1)], kRuns, steps_));
    Recipe recipe = workspace.recipe();
    for (std::string* place : {&recipe.output_dir, &recipe.image_folder})
      if (!place->empty()) *place = from_here(*place);
    for (std::vector<std::string>* files : {&recipe.dataset, &recipe.eval_dataset})
      for (std::string& file : *files) file = from_here(file);
    workspace.replace_recipe(recipe);
    if (!workspace.model()) workspace.load_model(path_text(base));
    return {};
  };
  const Status status = opened();
  return status ? true : fail(QString::fromStdString(status.error().sentence()));
}

bool Screenshots::launch() {
  Workspace& workspace = window_.workspace();
  const auto* before = workspace.run().get();
  return wait_until("the forecast", [&] { return workspace.forecast().has_value(); }) &&
         click("launchButton") && wait_until("the run to start", [&] {
           return workspace.run() && workspace.run().get() != before;
         });
}

bool Screenshots::run_is_at(double share) const {
  const LiveRun& run = *window_.workspace().run();
  return run.ended ||
         (!run.lines.empty() && static_cast<double>(run.lines.back().step) >=
                                    share * static_cast<double>(run.started.total_steps));
}

bool Screenshots::wait_for_end() {
  const Workspace& workspace = window_.workspace();
  return wait_until("the run to end",
                    [&] { return workspace.run()->ended && can_launch(workspace.state()); });
}

/// A run that goes on, is paused and asked, goes on under another rate and ends; and a second one.
bool Screenshots::show_run() {
  Workspace& workspace = window_.workspace();
  if (!workspace.set_field("samples.every", "10") || !launch() ||
      !wait_until("a third of the run", [this] { return run_is_at(0.35); }) ||
      !click("mainButton") || !wait_until("the pause", [&] {
        return can_resume(workspace.state()) || workspace.run()->ended;
      }))
    return false;
  turn("runTabs", 2);
  auto* question = window_.findChild<QLineEdit*>(QStringLiteral("askQuestion"));
  if (!click("askTakeRow") ||
      !wait_until("a question", [&] { return !question->text().isEmpty(); }) || !click("askButton"))
    return false;
  settle(1500);
  if (!save("train-paused") || !click("stopButton") || !save_dialog("stopQuestion", "stop"))
    return false;
  turn("runTabs", 3);
  if (!save("train-filmstrip")) return false;
  workspace.session().edit_run("learning_rate", 1e-4);
  if (!click("mainButton") || !wait_until("half of the run", [this] { return run_is_at(0.5); }) ||
      !save("train") || !wait_for_end())
    return false;
  turn("runTabs", 0);
  if (!save("train-ended")) return false;
  turn("runTabs", 1);
  if (!save("train-events")) return false;
  turn("runTabs", 0);
  return open(1) && launch() && wait_for_end();
}

bool Screenshots::fail(const QString& why) const {
  std::fprintf(stderr, "screenshots: %s\n", qPrintable(why));
  return false;
}

bool Screenshots::click(const char* name) {
  auto* button = window_.findChild<QAbstractButton*>(QLatin1String(name));
  if (!button || !button->isEnabled())
    return fail(QStringLiteral("the button %1 cannot be clicked").arg(QLatin1String(name)));
  button->click();
  return true;
}

bool Screenshots::choose(const char* action) {
  auto* found = window_.findChild<QAction*>(QLatin1String(action));
  if (!found || !found->isEnabled())
    return fail(QStringLiteral("%1 cannot be chosen").arg(QLatin1String(action)));
  found->trigger();
  return true;
}

void Screenshots::turn(const char* tabs, int to) {
  const Page* page = window_.page(window_.current());
  if (auto* bar = page->findChild<QTabBar*>(QLatin1String(tabs))) bar->setCurrentIndex(to);
  if (auto* pages = page->findChild<QTabWidget*>(QLatin1String(tabs))) pages->setCurrentIndex(to);
}

bool Screenshots::wait_until(const char* what, const std::function<bool()>& done) {
  QElapsedTimer clock;
  clock.start();
  while (!done()) {
    if (static_cast<double>(clock.elapsed()) > 1000 * kPatience) {
      save("waited-in-vain");  // what there was instead
      return fail(QStringLiteral("waited in vain for %1").arg(QLatin1String(what)));
    }
    settle(30);
  }
  return true;
}

bool Screenshots::save(const char* name) {
  settle(700);
  const Status saved = looks_.save(window_, QLatin1String(name));
  return saved ? true : fail(QString::fromStdString(saved.error().sentence()));
}

bool Screenshots::save_dialog(const char* object, const char* name) {
  settle(400);
  auto* dialog = window_.findChild<QDialog*>(QLatin1String(object));
  if (!dialog || !dialog->isVisible())
    return fail(QStringLiteral("%1 is not open").arg(QLatin1String(object)));
  const Status saved = looks_.save(*dialog, QLatin1String(name));
  dialog->close();
  return saved ? true : fail(QString::fromStdString(saved.error().sentence()));
}

}  // namespace luthier
