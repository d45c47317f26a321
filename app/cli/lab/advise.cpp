// SPDX-License-Identifier: GPL-3.0-or-later
// `advise`: prompt, retrieve or train, and how, with the reasons; --run makes the cheap comparisons
// that it proposes on a recipe's rows: what the base answers as it is, and short runs.
#include <cstdio>
#include <memory>

#include "app/cli/lab/lab_verbs.h"
#include "app/cli/lab/laws.h"
#include "engine/base/text.h"
#include "engine/compare/held_out.h"
#include "engine/data/columns.h"
#include "engine/lab/advisor.h"
#include "engine/models/loaded_model.h"
#include "engine/models/model_summary.h"
#include "engine/session/headless.h"
#include "engine/session/method_runs.h"
#include "engine/train/load_options.h"

namespace luthier::cli {

namespace {

struct AdviseVerb {
  AdviceQuestion question;
  std::string rows, weights, memory, recipe, out;
  std::vector<std::string> set;
  std::int64_t steps = 20;
  std::size_t answers = kHeldOutAnswers;
  bool run = false, json = false;
};

/// What a recipe says of itself, where the person said nothing.
Status take_from_recipe(const Recipe& recipe, const std::string& path, AdviceQuestion& question) {
  question.recipe = path;
  question.model = recipe.model;
  if (!recipe.eval_dataset.empty()) question.eval_rows = recipe.eval_dataset.front();
  if (!question.rows) {
    LUTHIER_TRY(const auto rows, open_rows(recipe, recipe.dataset));
    question.rows = static_cast<std::int64_t>(rows->size());
  }
  if (!question.weights) {
    LUTHIER_TRY(const ModelSummary model, summarize_model(recipe.model));
    question.weights = static_cast<double>(model.parameters);
  }
  if (!question.memory) {
    LUTHIER_TRY(const MemoryForecast forecast, plan(recipe));
    if (forecast.known()) question.memory = static_cast<double>(forecast.available);
  }
  return {};
}

void show_advice(const Advice& advice) {
  int place = 0;
  for (const RankedApproach& row : advice.ranked) {
    print_line(row.possible ? std::to_string(++place) + ". " + approach_name(row.approach) + " (" +
                                  number_text("%+.0f", row.sum) + ")"
                            : "-  " + approach_name(row.approach) + ": it cannot be done");
    for (const AdviceReason& reason : row.reasons)
      print_line("   " +
                 (reason.weight < -3 ? std::string(" !") : number_text("%+.0f", reason.weight)) +
                 "  " + reason.text);
  }
  if (!advice.open.empty()) {
    print_line("Not said, and it would count:");
    for (const std::string& each : advice.open) print_line("  " + each);
  }
  print_line("Cheap comparisons before deciding:");
  for (const AdviceComparison& each : advice.comparisons) {
    print_line("  " + each.title + ". " + each.why);
    for (const std::string& command : each.commands) print_line("    " + command);
  }
}

/// The base as it is, asked the held-out rows.
Result<std::map<std::string, double>> scores_of_base(const Recipe& recipe, std::size_t answers) {
  const std::vector<Sample> samples = held_out_samples(recipe, answers);
  if (samples.empty())
    return input_error("There are no held-out rows that say which answer is expected.",
                       "eval_dataset", "Name some.");
  LoadOptions load = load_options(recipe);
  const auto go_on = [] { return !interrupted().stop_requested(); };
  load.go_on = [go_on](double) { return go_on(); };
  LUTHIER_TRY(const LoadedModel model, load_model(recipe.model, load));
  return held_out_scores(model, nullptr, samples, go_on);
}

/// Short runs of what was advised; a method that does not go with the model says so.
Result<std::vector<ShortRun>> runs_of_methods(const AdviseVerb& o, const Recipe& recipe,
                                              const std::vector<std::string>& methods) {
  const std::string root = !o.out.empty()              ? o.out
                           : recipe.output_dir.empty() ? "runs/advise"
                                                       : recipe.output_dir + "-advise";
  std::vector<ShortRun> done;
  for (const std::string& method : methods) {
    if (interrupted().stop_requested()) return interrupted_error();
    ShortRun run;
    run.method = method;
    const auto planned = plan_short_run(recipe, {method, std::nullopt}, {}, o.steps, root);
    if (planned) {
      std::fprintf(stderr, "%s\n", planned->recipe.output_dir.c_str());
      const auto result =
          train_headless(planned->recipe, std::nullopt, {}, interrupted(), o.answers);
      run = read_short_run(*planned);
      if (!result) run.error = result.error();
    } else {
      run.error = planned.error();
    }
    if (run.error) run.state = run_state_name(RunState::Failed);
    done.push_back(std::move(run));
  }
  return done;
}

std::string share_text(const std::map<std::string, double>& scores, const char* name) {
  const auto found = scores.find(name);
  return found == scores.end() ? "-" : number_text("%.1f %%", 100 * found->second);
}

void show_comparisons(const std::map<std::string, double>& base,
                      const std::vector<ShortRun>& runs) {
  print_line("");
  print_line("asked           exact  token F1   held-out       step        peak");
  const auto line = [](const std::string& name, const std::map<std::string, double>& scores,
                       const std::string& loss, const std::string& step, const std::string& peak) {
    char text[160];
    std::snprintf(text, sizeof text, "%-12s %8s  %8s  %9s  %9s  %10s", name.c_str(),
                  share_text(scores, "exact_match").c_str(), share_text(scores, "token_f1").c_str(),
                  loss.c_str(), step.c_str(), peak.c_str());
    print_line(text);
  };
  line("prompt", base, "-", "-", "-");
  for (const ShortRun& run : runs) {
    if (run.error) {
      print_line(run.method + ": " + run.error->sentence());
      continue;
    }
    line(run.method, run.scores, run.eval_loss ? number_text("%.4f", *run.eval_loss) : "-",
         number_text("%.1f ms", 1000 * run.step_seconds),
         size_text(static_cast<double>(run.peak_memory)));
  }
}

Status advise_verb(AdviseVerb& o) {
  const auto amount = [](const std::string& text, const char* option,
                         std::optional<double>& into) -> Status {
    if (text.empty()) return {};
    LUTHIER_TRY(into, parse_amount(text, option));
    return {};
  };
  LUTHIER_CHECK(amount(o.weights, "--weights", o.question.weights));
  LUTHIER_CHECK(amount(o.memory, "--memory", o.question.memory));
  std::optional<double> rows;
  LUTHIER_CHECK(amount(o.rows, "--rows", rows));
  if (rows) o.question.rows = static_cast<std::int64_t>(std::min(*rows, 1e15));
  std::optional<Recipe> recipe;
  if (!o.recipe.empty()) {
    LUTHIER_TRY(recipe, read_recipe(o.recipe, o.set));
    LUTHIER_CHECK(take_from_recipe(*recipe, o.recipe, o.question));
  } else if (o.run) {
    return input_error("Without a recipe there are no rows to compare on.", "--run",
                       "Name one with --recipe.");
  }
  LUTHIER_TRY(const Advice advice, advise(o.question));
  Json document = luthier::to_json(advice);
  if (!o.json) show_advice(advice);
  if (o.run) {
    LUTHIER_TRY(const auto base, scores_of_base(*recipe, o.answers));
    LUTHIER_TRY(const auto runs, runs_of_methods(o, *recipe, advice.methods));
    document["asked"] = base;
    document["runs"] = luthier::to_json(runs);
    if (!o.json) show_comparisons(base, runs);
  }
  if (o.json) print_json(document);
  return {};
}

}  // namespace

Action add_advise(CLI::App& app) {
  const auto o = std::make_shared<AdviseVerb>();
  app.add_option("--recipe", o->recipe,
                 "A recipe: its rows, its model and this machine's memory answer what is not said");
  app.add_option("--set", o->set, "KEY=VALUE: a setting in place of the recipe's (several times)")
      ->allow_extra_args(false);
  app.add_option("--rows", o->rows, "Rows with answers that there are to learn from: 2K");
  app.add_option("--weights", o->weights, "Of the model: 7B");
  app.add_option("--memory", o->memory, "Bytes that training may take: 24G");
  app.add_option("--latency", o->question.latency, "Milliseconds that an answer may take");
  app.add_option("--answer-latency", o->question.answer_latency,
                 "Milliseconds that the model takes as it is");
  app.add_option("--drift", o->question.drift,
                 "How often what is to be known changes: never, yearly, monthly or daily");
  app.add_option("--task", o->question.task,
                 "What is to be learned: facts, manner, format, skill, classes or search");
  app.add_option("--tasks", o->question.tasks, "So many tasks are to be served by one model");
  app.add_flag("--sources", o->question.sources, "Answers must name where they are from");
  app.add_flag("--run", o->run,
               "Make the comparisons on the recipe's rows: the base asked, and short runs");
  app.add_option("--steps", o->steps, "Of each short run")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  app.add_option("--answers", o->answers, "Held-out rows that are asked")
      ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))
      ->capture_default_str();
  app.add_option("--out", o->out,
                 "The folder for the runs (default: the recipe's output_dir with -advise)");
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return advise_verb(*o); };
}

}  // namespace luthier::cli
