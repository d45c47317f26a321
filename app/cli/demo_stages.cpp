// SPDX-License-Identifier: GPL-3.0-or-later
// A run of stages on the teaching model: what each stage's result makes of held-out questions, and
// what became of what the stages before it had taught.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>

#include "app/cli/demo_parts.h"
#include "app/cli/verbs.h"
#include "engine/compare/result_folder.h"
#include "engine/io/files.h"
#include "engine/models/loaded_model.h"
#include "engine/runs/run_folder.h"
#include "engine/runs/stage_folder.h"
#include "engine/session/headless.h"
#include "engine/teaching/stages_demo.h"

namespace luthier::cli {

namespace {

namespace fs = std::filesystem;

Status run_stages_for_demo(const StagedRecipe& staged) {
  const auto watch = [total = std::int64_t{0}](const SessionEvent& event) mutable {
    if (const auto* began = std::get_if<StageBegan>(&event))
      std::fprintf(stderr, "stage %zu of %zu: %s\n", began->index + 1, began->names.size(),
                   began->names[began->index].c_str());
    if (const auto* begun = std::get_if<RunStarted>(&event)) total = begun->total_steps;
    const auto* step = std::get_if<StepDone>(&event);
    if (!step || (step->line.step % 20 != 0 && step->line.step != total)) return;
    std::fprintf(stderr, "  step %lld/%lld  loss %.4f\n", static_cast<long long>(step->line.step),
                 static_cast<long long>(total), step->line.loss);
  };
  const fs::path folder = staged.output_dir;
  LUTHIER_TRY(const RunResult result, train_stages_headless(staged, folder, watch, interrupted()));
  if (result.state == RunState::Finished) return {};
  return interrupted_error("Interrupted; saved. The same command goes on from here.");
}

using Share = std::function<double(const ComparisonRow& row, std::size_t at, std::size_t column)>;

/// What share of a comparison's rows comes to, column by column: told, and put into `into`.
void tell_shares(const Comparison& comparison, const std::string& title, const Share& share,
                 Json& into) {
  std::string line = "  " + title + ":";
  for (std::size_t column = 0; column < comparison.columns.size(); ++column) {
    double sum = 0;
    for (std::size_t row = 0; row < comparison.rows.size(); ++row)
      sum += share(comparison.rows[row], row, column);
    const double mean = sum / static_cast<double>(std::max<std::size_t>(1, comparison.rows.size()));
    const std::string& name = comparison.columns[column].name;
    into[name] = mean;
    line += (column ? ", " : " ") + name + " " + percent_text(mean);
  }
  print_line(line);
}

}  // namespace

Status demo_stages(const fs::path& out, std::size_t rows) {
  const DemoClock clock;
  LUTHIER_TRY(const StagesLesson lesson, make_stages_demo(out));
  LUTHIER_CHECK(run_stages_for_demo(lesson.staged));
  DemoResults results;
  Json document{{"objective", "stages"}, {"run", lesson.staged.output_dir}};
  for (std::size_t i = 0; i < lesson.staged.stages.size(); ++i) {
    const RecipeStage& stage = lesson.staged.stages[i];
    const fs::path folder =
        fs::path(lesson.staged.output_dir) / "stages" / stage_folder_name(i, stage);
    LUTHIER_TRY(const ResultFolder found, find_result(folder));
    results.emplace_back(stage.name, found.folder);
    LUTHIER_TRY(const RunFolder run, RunFolder::open(folder));
    for (const MetricsLine& line : run.read_metrics())
      if (line.eval_loss) document["eval_loss"][stage.name] = *line.eval_loss;
  }
  LUTHIER_TRY(const auto base, load_demo_base());
  LUTHIER_TRY(const Comparison own,
              compare_for_demo(*base, "stages", lesson.own, results, rows, out / "compare"));
  document["rows"] = own.rows.size();
  document["comparison"] = (out / "compare").string();
  print_line("stages, by " + std::to_string(own.rows.size()) + " held-out questions:");
  tell_shares(
      own, "the pirate's answer, word for word",
      [&](const ComparisonRow& row, std::size_t at, std::size_t column) {
        return row.answers[column].text == lesson.held_out[at].longer ? 1.0 : 0.0;
      },
      document["manner"]);
  tell_shares(
      own, "an answer that is shorter than the pirate's",
      [&](const ComparisonRow& row, std::size_t at, std::size_t column) {
        const std::string& text = row.answers[column].text;
        return !text.empty() && text.size() < lesson.held_out[at].longer.size() ? 1.0 : 0.0;
      },
      document["shorter"]);
  tell_shares(
      own, "the base's own right answer, word for word",
      [&](const ComparisonRow& row, std::size_t at, std::size_t column) {
        return row.answers[column].text == lesson.held_out[at].plain ? 1.0 : 0.0;
      },
      document["own_questions"]);
  document["seconds"] = clock.seconds();
  LUTHIER_CHECK(write_file_atomically(out / "demo.json", document.dump(2) + "\n"));
  print_line("See " + (out / "compare" / "comparison.html").string());
  std::fprintf(stderr, "%.0f s in all\n", clock.seconds());
  return {};
}

}  // namespace luthier::cli
