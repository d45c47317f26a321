// SPDX-License-Identifier: GPL-3.0-or-later
// Runs and answers of the demos.
#include "app/cli/demo_parts.h"

#include <cstdio>

#include "app/cli/verbs.h"
#include "engine/compare/compare.h"
#include "engine/compare/documents.h"
#include "engine/compare/result_folder.h"
#include "engine/config/kinds.h"
#include "engine/io/output_place.h"
#include "engine/models/loaded_model.h"
#include "engine/session/headless.h"
#include "engine/teaching/teaching.h"

namespace luthier::cli {

namespace fs = std::filesystem;

Status make_demo_folder(const fs::path& folder) { return make_output_folder(folder); }

Result<fs::path> tune_for_demo(const std::string& title, const Recipe& recipe) {
  const DemoClock clock;
  const fs::path folder = recipe.output_dir;
  if (method_kind(recipe.strategy).hangs_adapter())
    std::fprintf(stderr, "%s: tuning a rank-%lld adapter\n", title.c_str(),
                 static_cast<long long>(recipe.adapter.r));
  else
    std::fprintf(stderr, "%s: tuning the model's own weights\n", title.c_str());
  std::int64_t total = 0;
  const auto watch = [&](const SessionEvent& event) {
    if (const auto* begun = std::get_if<RunStarted>(&event)) total = begun->total_steps;
    const auto* step = std::get_if<StepDone>(&event);
    if (!step || (step->line.step % 20 != 0 && step->line.step != total)) return;
    const auto reward = step->line.figures.find("reward");
    const bool rewarded = reward != step->line.figures.end();
    std::fprintf(stderr, "  step %lld/%lld  %s %.4f  %.0f tokens/s\n",
                 static_cast<long long>(step->line.step), static_cast<long long>(total),
                 rewarded ? "reward" : "loss", rewarded ? reward->second : step->line.loss,
                 step->line.tokens_per_second);
  };
  LUTHIER_TRY(const RunResult result, train_headless(recipe, folder, watch, interrupted()));
  if (result.state != RunState::Finished)
    return interrupted_error("Interrupted; saved. The same command goes on from here.");
  std::fprintf(stderr, "  %s, %.0f s\n", folder.string().c_str(), clock.seconds());
  LUTHIER_TRY(const ResultFolder found, find_result(folder));
  return found.folder;
}

Result<std::shared_ptr<LoadedModel>> load_demo_base() {
  LUTHIER_TRY(const fs::path folder, teaching_base());
  LoadOptions load;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel base, load_model(folder, load));
  return std::make_shared<LoadedModel>(std::move(base));
}

Result<Comparison> compare_for_demo(LoadedModel& base, const std::string& title,
                                    const fs::path& held_out, const DemoResults& results,
                                    std::size_t rows, const fs::path& folder) {
  const DemoClock clock;
  LUTHIER_TRY(auto samples, read_samples({held_out}));
  if (rows > 0 && rows < samples.size()) samples.resize(rows);
  std::string names;
  for (const auto& [name, path] : results) names += " and " + name;
  std::fprintf(stderr, "%s: base%s answer %zu held-out rows\n", title.c_str(), names.c_str(),
               samples.size());
  GenerationOptions options;
  options.max_new_tokens = 48;
  LUTHIER_TRY(Comparison comparison,
              compare_adapters(base, results, samples, options, [](std::size_t, std::size_t) {
                return !interrupted().stop_requested();
              }));
  if (comparison.stopped) return interrupted_error("Interrupted; the adapters are saved.");
  LUTHIER_CHECK(write_comparison(comparison, folder));
  std::fprintf(stderr, "  %s, %.0f s\n", (folder / "comparison.html").string().c_str(),
               clock.seconds());
  return comparison;
}

std::string percent_text(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

double mean_score(const Comparison& comparison, std::size_t column, const char* score) {
  const auto scores = column_scores(comparison, column);
  const auto found = scores.find(score);
  return found == scores.end() ? 0 : found->second.mean;
}

}  // namespace luthier::cli
