// SPDX-License-Identifier: GPL-3.0-or-later
// The main job without a window: the teaching model is tuned on its tasks, a run each, and the base
// and all adapters answer held-out rows side by side. Of one objective: demo_objective.cpp.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/cli/demo_parts.h"
#include "app/cli/verbs.h"
#include "engine/io/files.h"
#include "engine/teaching/teaching.h"

namespace luthier::cli {

namespace {

namespace fs = std::filesystem;

/// `base`, or the first of base-2, base-3, … that is not there.
fs::path free_folder(const std::string& base) {
  std::error_code ignored;
  fs::path folder = base;
  for (int number = 2; fs::exists(folder, ignored); ++number)
    folder = base + "-" + std::to_string(number);
  return folder;
}

Status demo(const fs::path& out, const std::vector<std::string>& names, std::size_t rows) {
  const DemoClock clock;
  std::vector<TeachingTask> tasks;
  for (const std::string& name : names) {
    LUTHIER_TRY(TeachingTask task, teaching_task(name));
    tasks.push_back(std::move(task));
  }
  LUTHIER_CHECK(make_demo_folder(out));
  DemoResults adapters;
  for (const TeachingTask& task : tasks) {
    LUTHIER_TRY(const Recipe recipe, teaching_recipe(task, out / task.name));
    LUTHIER_TRY(fs::path adapter, tune_for_demo(task.title_en, recipe));
    adapters.emplace_back(task.name, std::move(adapter));
  }
  LUTHIER_TRY(const auto base, load_demo_base());
  Json results = Json::array();
  std::vector<std::string> table;
  for (const TeachingTask& task : tasks) {
    const fs::path page = out / ("compare-" + task.name);
    LUTHIER_TRY(const Comparison comparison,
                compare_for_demo(*base, task.title_en, task.heldout, adapters, rows, page));
    Json exact = Json::object();
    std::string line = task.name + ":";
    for (std::size_t column = 0; column < comparison.columns.size(); ++column) {
      char text[96];
      std::snprintf(text, sizeof text, "  %s %.1f %%", comparison.columns[column].name.c_str(),
                    100 * mean_score(comparison, column, "exact"));
      line += text;
      exact[comparison.columns[column].name] = mean_score(comparison, column, "exact");
    }
    table.push_back(line);
    results.push_back({{"task", task.name},
                       {"run", (out / task.name).string()},
                       {"comparison", page.string()},
                       {"rows", comparison.rows.size()},
                       {"exact", exact}});
  }
  const double seconds = clock.seconds();
  LUTHIER_CHECK(write_file_atomically(
      out / "demo.json", Json{{"seconds", seconds}, {"tasks", results}}.dump(2) + "\n"));
  print_line("Exactly right on held-out rows, by task and column:");
  for (const std::string& line : table) print_line("  " + line);
  for (const TeachingTask& task : tasks)
    print_line("See " + (out / ("compare-" + task.name) / "comparison.html").string());
  std::fprintf(stderr, "%.0f s in all\n", seconds);
  return {};
}

}  // namespace

Action add_demo(CLI::App& app) {
  struct DemoOptions {
    std::string out, objective;
    std::vector<std::string> tasks = {"korean", "json"};
    std::size_t rows = 0;
  };
  const auto o = std::make_shared<DemoOptions>();
  app.add_option("--out", o->out,
                 "Where runs and comparisons go; an interrupted demo goes on there (default: "
                 "runs/demo, runs/demo-OBJECTIVE, or the next free number)");
  CLI::Option* tasks =
      app.add_option("--tasks", o->tasks, "Which tasks to tune: korean, json, pirate")
          ->delimiter(',')
          ->capture_default_str();
  app.add_option("--objective", o->objective,
                 "What one objective does instead, by held-out figures: " + demo_objectives())
      ->excludes(tasks);
  app.add_option("--rows", o->rows, "Held-out rows of each task to answer; 0: all")
      ->capture_default_str();
  return [o] {
    const std::string base = "runs/demo" + (o->objective.empty() ? "" : "-" + o->objective);
    const fs::path out = o->out.empty() ? free_folder(base) : fs::path(o->out);
    if (!o->objective.empty()) return demo_objective(out, o->objective, o->rows);
    for (std::size_t i = 0; i < o->tasks.size(); ++i) {
      if (std::find(o->tasks.begin(), o->tasks.begin() + static_cast<std::ptrdiff_t>(i),
                    o->tasks[i]) != o->tasks.begin() + static_cast<std::ptrdiff_t>(i)) {
        return Status(input_error("The task " + o->tasks[i] + " is named twice.", "--tasks"));
      }
    }
    return demo(out, o->tasks, o->rows);
  };
}

}  // namespace luthier::cli
