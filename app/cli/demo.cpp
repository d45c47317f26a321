// SPDX-License-Identifier: GPL-3.0-or-later
// The main job without a window: the teaching model is tuned on its tasks, a run each, and the base
// and all adapters answer held-out rows side by side.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/compare/compare.h"
#include "engine/compare/documents.h"
#include "engine/io/files.h"
#include "engine/models/loaded_model.h"
#include "engine/session/headless.h"
#include "engine/teaching/teaching.h"

namespace luthier::cli {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Adapters = std::vector<std::pair<std::string, fs::path>>;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// runs/demo, or the first of runs/demo-2, runs/demo-3, … that is not there.
fs::path free_folder() {
  std::error_code ignored;
  fs::path folder = "runs/demo";
  for (int number = 2; fs::exists(folder, ignored); ++number)
    folder = "runs/demo-" + std::to_string(number);
  return folder;
}

/// Runs by the recipe (or goes on with a run that is there) and gives the adapter's folder.
Result<fs::path> tune(const Recipe& recipe, const std::string& title, const fs::path& folder) {
  const auto start = Clock::now();
  std::fprintf(stderr, "%s: tuning a rank-%lld adapter\n", title.c_str(),
               static_cast<long long>(recipe.adapter.r));
  std::int64_t total = 0;
  const auto watch = [&](const SessionEvent& event) {
    if (const auto* begun = std::get_if<RunStarted>(&event)) total = begun->total_steps;
    const auto* step = std::get_if<StepDone>(&event);
    if (!step) return;
    if (const auto reward = step->line.figures.find("reward"); reward != step->line.figures.end())
      std::fprintf(stderr, "  step %lld/%lld  reward %.2f\n",
                   static_cast<long long>(step->line.step), static_cast<long long>(total),
                   reward->second);
    else if (step->line.step % 20 == 0 || step->line.step == total) {
      std::fprintf(stderr, "  step %lld/%lld  loss %.4f  %.0f tokens/s\n",
                   static_cast<long long>(step->line.step), static_cast<long long>(total),
                   step->line.loss, step->line.tokens_per_second);
    }
  };
  LUTHIER_TRY(const RunResult result, train_headless(recipe, folder, watch, interrupted()));
  if (result.state != RunState::Finished)
    return interrupted_error("Interrupted; saved. The same command goes on from here.");
  std::fprintf(stderr, "  %s, %.0f s\n", folder.string().c_str(), seconds_since(start));
  return folder / "adapter";
}

Result<Comparison> compare(LoadedModel& base, const TeachingTask& task, const Adapters& adapters,
                           std::size_t rows, const fs::path& folder) {
  const auto start = Clock::now();
  LUTHIER_TRY(auto samples, read_samples({task.heldout}));
  if (rows > 0 && rows < samples.size()) samples.resize(rows);
  std::fprintf(stderr, "%s: base and %zu adapters answer %zu held-out rows\n",
               task.title_en.c_str(), adapters.size(), samples.size());
  GenerationOptions options;
  options.max_new_tokens = 48;
  LUTHIER_TRY(Comparison comparison,
              compare_adapters(base, adapters, samples, options, [](std::size_t, std::size_t) {
                return !interrupted().stop_requested();
              }));
  if (comparison.stopped) return interrupted_error("Interrupted; the adapters are saved.");
  LUTHIER_CHECK(write_comparison(comparison, folder));
  std::fprintf(stderr, "  %s, %.0f s\n", (folder / "comparison.html").string().c_str(),
               seconds_since(start));
  return comparison;
}

double score_of(const Comparison& comparison, std::size_t column, const char* score = "exact") {
  const auto scores = column_scores(comparison, column);
  const auto found = scores.find(score);
  return found == scores.end() ? 0 : found->second.mean;
}

Status make_folder(const fs::path& out) {
  std::error_code failed;
  fs::create_directories(out, failed);
  if (!failed) return {};
  return machine_error("The folder cannot be made: " + failed.message() + ".", out.string(),
                       "Name another one with --out.");
}

/// The teaching model learns to answer in JSON from a reward alone, once a few answers are.
Status demo_rewarded(const fs::path& out, std::size_t rows) {
  const auto start = Clock::now();
  LUTHIER_TRY(const TeachingTask task, teaching_task("json"));
  LUTHIER_CHECK(make_folder(out));
  Adapters adapters;
  for (const std::string name : {"start", "grpo"}) {
    TeachingTask part = task;
    part.recipe = task.folder / (name + ".yaml");
    const fs::path folder = out / ("json-" + name);
    LUTHIER_TRY(Recipe recipe, teaching_recipe(part, folder));
    if (!adapters.empty()) recipe.adapter.init_from = adapters.back().second.string();
    LUTHIER_TRY(fs::path adapter, tune(recipe, task.title_en + ", " + name, folder));
    adapters.emplace_back(name, std::move(adapter));
  }
  LUTHIER_TRY(const fs::path folder, teaching_base());
  LoadOptions load;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel base, load_model(folder, load));
  const fs::path page = out / "compare-json";
  LUTHIER_TRY(const Comparison comparison, compare(base, task, adapters, rows, page));
  Json valid = Json::object();
  std::string line = "Answers that are JSON, on held-out rows:";
  for (std::size_t column = 0; column < comparison.columns.size(); ++column) {
    const double share = score_of(comparison, column, "json");
    char text[96];
    std::snprintf(text, sizeof text, "  %s %.1f %%", comparison.columns[column].name.c_str(),
                  100 * share);
    line += text;
    valid[comparison.columns[column].name] = share;
  }
  const double seconds = seconds_since(start);
  LUTHIER_CHECK(write_file_atomically(
      out / "demo.json",
      Json{{"seconds", seconds}, {"objective", "grpo"}, {"json_valid", valid}}.dump(2) + "\n"));
  print_line(line);
  print_line("See " + (page / "comparison.html").string());
  std::fprintf(stderr, "%.0f s in all\n", seconds);
  return {};
}

Status demo(const fs::path& out, const std::vector<std::string>& names, std::size_t rows) {
  const auto start = Clock::now();
  std::vector<TeachingTask> tasks;
  for (const std::string& name : names) {
    LUTHIER_TRY(TeachingTask task, teaching_task(name));
    tasks.push_back(std::move(task));
  }
  LUTHIER_CHECK(make_folder(out));
  Adapters adapters;
  for (const TeachingTask& task : tasks) {
    LUTHIER_TRY(const Recipe recipe, teaching_recipe(task, out / task.name));
    LUTHIER_TRY(fs::path adapter, tune(recipe, task.title_en, out / task.name));
    adapters.emplace_back(task.name, std::move(adapter));
  }
  LUTHIER_TRY(const fs::path folder, teaching_base());
  LoadOptions load;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel base, load_model(folder, load));
  Json results = Json::array();
  std::vector<std::string> table;
  for (const TeachingTask& task : tasks) {
    const fs::path page = out / ("compare-" + task.name);
    LUTHIER_TRY(const Comparison comparison, compare(base, task, adapters, rows, page));
    Json exact = Json::object();
    std::string line = task.name + ":";
    for (std::size_t column = 0; column < comparison.columns.size(); ++column) {
      char text[96];
      std::snprintf(text, sizeof text, "  %s %.1f %%", comparison.columns[column].name.c_str(),
                    100 * score_of(comparison, column));
      line += text;
      exact[comparison.columns[column].name] = score_of(comparison, column);
    }
    table.push_back(line);
    results.push_back({{"task", task.name},
                       {"run", (out / task.name).string()},
                       {"comparison", page.string()},
                       {"rows", comparison.rows.size()},
                       {"exact", exact}});
  }
  const double seconds = seconds_since(start);
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
    std::string out;
    std::string objective = "sft";
    std::vector<std::string> tasks = {"korean", "json"};
    std::size_t rows = 0;
  };
  const auto o = std::make_shared<DemoOptions>();
  app.add_option("--out", o->out,
                 "Where runs and comparisons go; an interrupted demo goes on there (default: "
                 "runs/demo, or the next free number)");
  app.add_option("--tasks", o->tasks, "Which tasks to tune: korean, json, pirate")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--objective", o->objective,
                 "sft tunes on the tasks' answers; grpo teaches JSON by a reward alone")
      ->check(CLI::IsMember({"sft", "grpo"}))
      ->capture_default_str();
  app.add_option("--rows", o->rows, "Held-out rows of each task to answer; 0: all")
      ->capture_default_str();
  return [o] {
    for (std::size_t i = 0; i < o->tasks.size(); ++i) {
      if (std::find(o->tasks.begin(), o->tasks.begin() + static_cast<std::ptrdiff_t>(i),
                    o->tasks[i]) != o->tasks.begin() + static_cast<std::ptrdiff_t>(i)) {
        return Status(input_error("The task " + o->tasks[i] + " is named twice.", "--tasks"));
      }
    }
    if (o->objective == "grpo")
      return demo_rewarded(o->out.empty() ? free_folder() : fs::path(o->out), o->rows);
    return demo(o->out.empty() ? free_folder() : fs::path(o->out), o->tasks, o->rows);
  };
}

}  // namespace luthier::cli
