// SPDX-License-Identifier: GPL-3.0-or-later
// `lab efficiency`: the score on held-out rows against the rows learned from.
#include <cstdio>
#include <memory>

#include "app/cli/lab/lab_verbs.h"
#include "app/cli/lab/laws.h"
#include "engine/lab/efficiency.h"
#include "engine/session/headless.h"

namespace luthier::cli {

namespace {

struct EfficiencyVerb {
  std::string recipe, out;
  std::vector<std::string> set;
  EfficiencyOptions options;
  bool json = false;
};

void show_curves(const std::vector<EfficiencyPoint>& points) {
  print_line(
      "run                state     held-out    lowest     exact  token F1   as from nothing");
  const auto cell = [](const std::optional<double>& value, const char* format) {
    return value ? number_text(format, *value) : std::string("-");
  };
  for (const EfficiencyPoint& point : points) {
    const auto score = [&](const char* name) {
      const auto found = point.scores.find(name);
      return found == point.scores.end() ? std::string("-")
                                         : number_text("%.1f %%", 100 * found->second);
    };
    char line[160];
    std::snprintf(line, sizeof line, "%-18s %-9s %8s  %8s  %8s  %8s  %s", point.name.c_str(),
                  point.state.c_str(), cell(point.eval_loss, "%.4f").c_str(),
                  cell(point.best_eval_loss, "%.4f").c_str(), score("exact_match").c_str(),
                  score("token_f1").c_str(),
                  point.from != "base" ? ""
                  : point.rows_from_nothing
                      ? number_text("%.0f rows", *point.rows_from_nothing).c_str()
                      : "more than there are");
    print_line(line);
    if (!point.error.empty()) print_line("  " + point.error);
  }
}

Status efficiency_verb(const EfficiencyVerb& o) {
  LUTHIER_TRY(const Recipe recipe, read_recipe(o.recipe, o.set));
  EfficiencyHost host;
  host.go_on = [] { return !interrupted().stop_requested(); };
  host.tell = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); };
  host.train = [](const Recipe& each, const std::optional<std::filesystem::path>& run,
                  std::size_t answers) {
    return train_headless(each, run, {}, interrupted(), answers);
  };
  const std::string out = !o.out.empty()              ? o.out
                          : recipe.output_dir.empty() ? "runs/efficiency"
                                                      : recipe.output_dir + "-efficiency";
  LUTHIER_TRY(const std::vector<EfficiencyPoint> points,
              run_efficiency(recipe, out, o.options, host));
  if (o.json)
    print_json({{"folder", out}, {"points", luthier::to_json(points)}});
  else
    show_curves(points);
  for (const EfficiencyPoint& point : points)
    if (!point.error.empty()) return input_error(point.error, point.name);
  return {};
}

}  // namespace

std::function<Status()> add_efficiency(CLI::App& app) {
  const auto o = std::make_shared<EfficiencyVerb>();
  app.add_option("RECIPE", o->recipe, "A recipe with an eval_dataset and max_steps")->required();
  app.add_option("--set", o->set, "KEY=VALUE: a setting in place of the recipe's (several times)")
      ->allow_extra_args(false);
  app.add_option("--rows", o->options.rows, "Parts of the dataset, each within the next")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--from", o->options.from, "base, nothing, or both")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--steps", o->options.steps, "Of each run (default: the recipe's max_steps)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}));
  app.add_option("--rate-from-nothing", o->options.rate_from_nothing,
                 "Learning rate of random weights, all of which train")
      ->capture_default_str();
  app.add_option("--answers", o->options.answers, "Held-out rows that each run answers")
      ->check(CLI::Range(std::size_t{0}, std::size_t{100'000}))
      ->capture_default_str();
  app.add_option("--seed", o->options.seed, "Of the choice of rows")->capture_default_str();
  app.add_option("--out", o->out, "The folder (default: the recipe's output_dir with -efficiency)");
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return efficiency_verb(*o); };
}

}  // namespace luthier::cli
