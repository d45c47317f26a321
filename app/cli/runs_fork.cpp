// SPDX-License-Identifier: GPL-3.0-or-later
// Runs that begin with another run's checkpoint, and several runs from one recipe.
#include <cstdio>
#include <memory>

#include "app/cli/runs.h"
#include "app/cli/shell_word.h"
#include "engine/config/sweep.h"
#include "engine/io/probe.h"
#include "engine/session/fork_run.h"
#include "engine/session/headless.h"

namespace luthier::cli {

namespace {

/// How the new run is started: the fork waits as a run that stopped at its checkpoint does.
void tell_fork(const RunFolder& run) {
  const std::string folder = run.path().string();
  print_line(folder);
  std::fprintf(stderr, "Start it with: luthier-cli train %s --resume %s\n",
               as_shell_word(folder + "/recipe.yaml").c_str(), as_shell_word(folder).c_str());
}

Status sweep_of(const std::string& path, const std::vector<std::string>& set,
                const std::vector<std::string>& over, bool only_list) {
  LUTHIER_TRY(const Recipe base, read_recipe(path, set));
  std::vector<SweptField> fields;
  for (const std::string& text : over) {
    LUTHIER_TRY(SweptField field, parse_swept_field(text));
    fields.push_back(std::move(field));
  }
  LUTHIER_TRY(const std::vector<SweptRecipe> runs, sweep_recipes(base, fields));
  for (const SweptRecipe& run : runs) {
    if (!is_there(run.recipe.output_dir)) continue;
    return input_error("There is something of this name already.", run.recipe.output_dir,
                       "Choose another output_dir.");
  }
  Json documents = Json::array();
  std::optional<Error> fault;
  for (const SweptRecipe& run : runs) {
    Json document{{"label", run.label}, {"folder", run.recipe.output_dir}};
    if (!only_list) {
      std::fprintf(stderr, "%s: %s\n", run.recipe.output_dir.c_str(), run.label.c_str());
      const auto result = train_headless(
          run.recipe, {}, [](const SessionEvent&) {}, interrupted());
      if (interrupted().stop_requested()) return interrupted_error();
      if (result) {
        document["state"] = run_state_name(result->state);
        document["loss"] = result->loss ? Json(*result->loss) : Json(nullptr);
        document["seconds"] = result->seconds;
        if (const auto summary = summarize_run(run.recipe.output_dir);
            summary && summary->manifest.best_eval_loss)
          document["best_eval_loss"] = *summary->manifest.best_eval_loss;
      } else {
        // One combination that cannot run says nothing of the others.
        document["state"] = "failed";
        document["error"] = result.error().sentence();
        std::fprintf(stderr, "%s\n", result.error().sentence().c_str());
        fault = result.error();
      }
    }
    documents.push_back(std::move(document));
  }
  print_json({{"runs", documents}});
  if (fault) return *fault;
  return {};
}

}  // namespace

Action add_runs_fork(CLI::App& app) {
  struct ForkOptions {
    std::string run, output;
    std::optional<std::int64_t> step;
    std::vector<std::string> set;
    bool fresh = false;
  };
  const auto o = std::make_shared<ForkOptions>();
  app.add_option("RUN", o->run, "The run whose checkpoint it begins with")->required();
  app.add_option("--output", o->output, "The new run's folder")->required();
  app.add_option("--step", o->step, "Of the checkpoint (the newest)");
  app.add_option("--set", o->set, "KEY=VALUE: a setting in place of the run's (several times)")
      ->allow_extra_args(false);
  app.add_flag("--fresh-optimizer", o->fresh,
               "The weights alone: moments, schedule and rows from their start, at step 0");
  return [o]() -> Status {
    LUTHIER_TRY(const Recipe before, recipe_to_fork(o->run, o->output));
    LUTHIER_TRY(const Recipe recipe,
                parse_recipe(recipe_to_yaml(before), o->run + "/recipe.yaml", o->set));
    LUTHIER_TRY(const RunFolder run, fork_run({o->run, o->step, recipe, !o->fresh}));
    tell_fork(run);
    return {};
  };
}

Action add_runs_extend(CLI::App& app) {
  struct ExtendOptions {
    std::string run, output;
    std::int64_t more = 0;
  };
  const auto o = std::make_shared<ExtendOptions>();
  app.add_option("RUN", o->run, "A finished run; it stays as it is")->required();
  app.add_option("--steps", o->more, "How many more")->required();
  app.add_option("--output", o->output, "The new run's folder")->required();
  return [o]() -> Status {
    LUTHIER_TRY(const Extension plan, plan_extension(o->run, o->more, o->output));
    LUTHIER_TRY(const RunFolder run, fork_run(plan.order));
    if (plan.differences.empty())
      std::fprintf(stderr, "It ends as if %lld steps had been asked for from the start.\n",
                   static_cast<long long>(plan.steps_after));
    for (const std::string& difference : plan.differences)
      std::fprintf(stderr, "%s\n", difference.c_str());
    tell_fork(run);
    return {};
  };
}

Action add_runs_sweep(CLI::App& app) {
  struct SweepOptions {
    std::string recipe;
    std::vector<std::string> set, over;
    bool only_list = false;
  };
  const auto o = std::make_shared<SweepOptions>();
  app.add_option("RECIPE", o->recipe, "A recipe (YAML)")->required();
  app.add_option("--over", o->over,
                 "KEY=VALUE,VALUE: the values of a setting to try (several times); with ; between "
                 "values that hold commas")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--set", o->set, "KEY=VALUE: a setting of all of them (several times)")
      ->allow_extra_args(false);
  app.add_flag("--list", o->only_list, "Only say which runs these are");
  return [o] { return sweep_of(o->recipe, o->set, o->over, o->only_list); };
}

}  // namespace luthier::cli
