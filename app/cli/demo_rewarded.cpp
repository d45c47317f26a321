// SPDX-License-Identifier: GPL-3.0-or-later
// What a reward alone teaches, shown on the teaching model: a few steps on the task "json" make
// some of its answers JSON, and GRPO goes on from there by whether an answer is. Base and both
// adapters answer held-out rows.
#include <cstdio>

#include "app/cli/demo_parts.h"
#include "app/cli/verbs.h"
#include "engine/io/files.h"
#include "engine/models/loaded_model.h"
#include "engine/teaching/teaching.h"

namespace luthier::cli {

namespace fs = std::filesystem;

Status demo_rewarded(const fs::path& out, std::size_t rows) {
  const DemoClock clock;
  LUTHIER_TRY(const TeachingTask task, teaching_task("json"));
  LUTHIER_TRY(const fs::path resources, find_resources());
  LUTHIER_CHECK(make_demo_folder(out));
  DemoResults results;
  for (const auto& [name, file] :
       {std::pair("start", "grpo_start.yaml"), std::pair("grpo", "grpo.yaml")}) {
    TeachingTask part = task;
    part.recipe = resources / "teaching" / "objectives" / file;
    LUTHIER_TRY(Recipe recipe, teaching_recipe(part, out / name));
    if (!results.empty()) recipe.adapter.init_from = results.back().second.string();
    LUTHIER_TRY(fs::path adapter, tune_for_demo(name, recipe));
    results.emplace_back(name, std::move(adapter));
  }
  LUTHIER_TRY(const auto base, load_demo_base());
  LUTHIER_TRY(const Comparison comparison,
              compare_for_demo(*base, "grpo", task.heldout, results, rows, out / "compare"));
  Json valid = Json::object();
  std::string line;
  for (std::size_t column = 0; column < comparison.columns.size(); ++column) {
    const auto scores = column_scores(comparison, column);
    const auto found = scores.find("json");
    const double share = found == scores.end() ? 0 : found->second.mean;
    const std::string& who = comparison.columns[column].name;
    char text[96];
    std::snprintf(text, sizeof text, "%s %s %.1f %%", column ? "," : "", who.c_str(), 100 * share);
    line += text;
    valid[who] = share;
  }
  const Json document{{"objective", "grpo"},
                      {"run", (out / "grpo").string()},
                      {"comparison", (out / "compare").string()},
                      {"rows", comparison.rows.size()},
                      {"json_valid", valid},
                      {"seconds", clock.seconds()}};
  LUTHIER_CHECK(write_file_atomically(out / "demo.json", document.dump(2) + "\n"));
  print_line("grpo, by " + std::to_string(comparison.rows.size()) + " held-out questions:");
  print_line("  answers that are JSON:" + line);
  print_line("See " + (out / "compare" / "comparison.html").string());
  std::fprintf(stderr, "%.0f s in all\n", clock.seconds());
  return {};
}

}  // namespace luthier::cli
