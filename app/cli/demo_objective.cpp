// SPDX-License-Identifier: GPL-3.0-or-later
// What an objective is for, shown on the teaching model: a run from its base, then base and result
// answer held-out questions, and a judge says which of the two wins each, or how near a smaller
// model came to the base. Beside it: what the run's own evaluation came to, and how many of the
// base's own questions are still answered as before.
#include <algorithm>
#include <cstdio>
#include <optional>

#include "app/cli/demo_parts.h"
#include "app/cli/verbs.h"
#include "engine/io/files.h"
#include "engine/models/loaded_model.h"
#include "engine/runs/run_folder.h"
#include "engine/teaching/objective_demo.h"

namespace luthier::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBase = 0;

/// From 0 to 1: what an answer is worth against the base's. Equal: a half.
double won_by_length(const ComparisonRow& row, std::size_t column) {
  const std::size_t tuned = row.answers[column].text.size(), base = row.answers[kBase].text.size();
  return tuned == base ? 0.5 : tuned > base ? 1 : 0;
}

double win_rate(const Comparison& comparison, std::size_t column) {
  double wins = 0;
  for (const ComparisonRow& row : comparison.rows) wins += won_by_length(row, column);
  return wins / static_cast<double>(std::max<std::size_t>(comparison.rows.size(), 1));
}

/// The share of a column's answers that are what the base is to say to its own questions.
double as_before(const Comparison& comparison, std::size_t column, const std::vector<Sample>& own) {
  std::size_t same = 0;
  for (std::size_t row = 0; row < comparison.rows.size(); ++row)
    same += comparison.rows[row].answers[column].text == own[row].expected();
  return static_cast<double>(same) /
         static_cast<double>(std::max<std::size_t>(comparison.rows.size(), 1));
}

/// The figures of the last evaluation.
Result<std::map<std::string, double>> evaluated(const fs::path& folder) {
  LUTHIER_TRY(const RunFolder run, RunFolder::open(folder));
  std::map<std::string, double> figures;
  for (const MetricsLine& line : run.read_metrics())
    if (line.eval_loss) figures = line.figures;
  std::erase_if(figures, [](const auto& each) { return each.first.rfind("eval_", 0) != 0; });
  return figures;
}

/// What base and result answer, by the demo's judge: told, and put into `document`.
Status judge_answers(const ObjectiveDemo& demo, const ObjectiveLesson& lesson,
                     const fs::path& result, const fs::path& out, std::size_t rows,
                     Json& document) {
  const std::string& name = demo.objective;
  LUTHIER_TRY(const auto base, load_demo_base());
  DemoResults results;
  if (demo.judge == DemoJudge::AsTeacher) results.emplace_back("student", lesson.recipe.model);
  results.emplace_back(name, result);
  LUTHIER_TRY(const Comparison comparison,
              compare_for_demo(*base, name, lesson.wanted, results, rows, out / "compare"));
  // What is asked otherwise than the base's own questions says nothing of those.
  std::optional<Comparison> of_own;
  if (demo.judge == DemoJudge::Json) {
    LUTHIER_TRY(of_own, compare_for_demo(*base, name + ", the base's own questions", lesson.own,
                                         results, rows, out / "compare-own"));
  }
  LUTHIER_TRY(const auto own, read_samples({lesson.own}));
  document["comparison"] = (out / "compare").string();
  document["rows"] = comparison.rows.size();
  print_line(name + ", by " + std::to_string(comparison.rows.size()) + " held-out questions:");
  const auto shares = [&](const char* key, const std::string& title, const auto& share) {
    std::string line = "  " + title + ":";
    for (std::size_t column = 0; column < comparison.columns.size(); ++column) {
      const std::string& who = comparison.columns[column].name;
      document[key][who] = share(column);
      line += (column ? ", " : " ") + who + " " + percent_text(share(column));
    }
    print_line(line);
  };
  if (demo.judge == DemoJudge::Longer) {
    document["win_rate"] = win_rate(comparison, comparison.columns.size() - 1);
    print_line("  win rate against the base, where the longer answer wins: " +
               percent_text(document["win_rate"]));
    shares("wanted", "the preferred answer, word for word",
           [&](std::size_t column) { return mean_score(comparison, column, "exact"); });
  }
  if (demo.judge == DemoJudge::Json)
    shares("json_valid", "answers that are JSON",
           [&](std::size_t column) { return mean_score(comparison, column, "json"); });
  shares("own_questions", "the base's own right answer, word for word",
         [&](std::size_t column) { return as_before(of_own ? *of_own : comparison, column, own); });
  print_line("See " + (out / "compare" / "comparison.html").string());
  return {};
}

}  // namespace

std::string demo_objectives() {
  std::string names;
  for (const ObjectiveDemo& demo : objective_demos())
    names += (names.empty() ? "" : ", ") + demo.objective;
  return names + ", stages";
}

Status demo_objective(const fs::path& out, const std::string& name, std::size_t rows) {
  if (name == "stages") return demo_stages(out, rows);
  const DemoClock clock;
  LUTHIER_TRY(const ObjectiveDemo demo, objective_demo(name));
  LUTHIER_TRY(const ObjectiveLesson lesson, make_objective_demo(demo, out));
  LUTHIER_TRY(const fs::path result, tune_for_demo(name, lesson.recipe));
  Json document{{"objective", name}, {"run", lesson.recipe.output_dir}};
  if (demo.judge != DemoJudge::Ranks)
    LUTHIER_CHECK(judge_answers(demo, lesson, result, out, rows, document));
  LUTHIER_TRY(const auto figures, evaluated(lesson.recipe.output_dir));
  document["evaluation"] = figures;
  document["seconds"] = clock.seconds();
  LUTHIER_CHECK(write_file_atomically(out / "demo.json", document.dump(2) + "\n"));
  for (const auto& [figure, value] : figures)
    if (figure.find("accurac") != std::string::npos)
      print_line(name + ", " + figure.substr(5) + " on held-out rows: " + percent_text(value));
  std::fprintf(stderr, "%.0f s in all\n", clock.seconds());
  return {};
}

}  // namespace luthier::cli
