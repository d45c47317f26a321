// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "app/cli/recipe_place.h"
#include "app/cli/verbs.h"
#include "engine/base/text.h"
#include "engine/device/card_choice.h"
#include "engine/session/headless.h"

namespace luthier::cli {

namespace {

void show(const MemoryForecast& forecast, const Recipe& recipe) {
  const MemoryParts& parts = forecast.parts;
  std::vector<std::pair<const char*, std::int64_t>> rows = {
      {"weights", parts.weights},         {"adapter", parts.adapter},
      {"gradients", parts.gradients},     {"optimizer", parts.optimizer},
      {"activations", parts.activations}, {"workspace", parts.workspace}};
  if (parts.recordings > 0) rows.emplace_back("recordings", parts.recordings);
  if (parts.context > 0) {
    rows.insert(rows.end(), {{"CUDA context", parts.context},
                             {"cuBLAS", parts.libraries},
                             {"fragmentation", parts.fragmentation}});
  }
  rows.insert(rows.end(), {{"total", parts.total()}, {"available", forecast.available}});
  for (const auto& [name, bytes] : rows) {
    char line[96];
    std::snprintf(line, sizeof line, "%-13s %12s", name,
                  bytes < 0 ? "not known" : size_text(bytes).c_str());
    print_line(line);
  }
  print_line(forecast.device + ", " + forecast.dtype + ", gradient checkpointing " +
             (forecast.gradient_checkpointing ? "on" : "off") + ", " +
             grouped(forecast.batch_tokens) + " tokens in the largest micro-batch");
  if (forecast.ranks.ranks > 1)
    print_line("one of " + std::to_string(forecast.ranks.ranks) +
               " ranks, sharded: " + word_of(forecast.ranks.shards));
  if (parts.paged > 0) {
    print_line(size_text(parts.paged) +
               " of the optimizer's state wait in the machine's memory beside it.");
  }
  if (!forecast.known()) print_line(unknown_room(forecast));
  if (forecast.device == "cpu") {
    const std::string proposal = type_proposal(recipe.training.dtype, narrow_products());
    if (!proposal.empty()) print_line(proposal);
  }
  if (!forecast.fits()) print_line("It will not fit. What would lower it:");
  for (const std::string& advice : forecast.advice) print_line("  " + advice);
}

/// Every stage, and the one that a machine must have room for.
void show(const std::vector<StageForecast>& stages, const StagedRecipe& staged) {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    print_line("stage " + std::to_string(i + 1) + " of " + std::to_string(stages.size()) + ": " +
               stages[i].name);
    show(stages[i].forecast, staged.stages[i].recipe);
  }
  const StageForecast& largest = stages[largest_stage(stages)];
  print_line("The largest is " + largest.name + ": " + size_text(largest.forecast.parts.total()) +
             ".");
}

/// The largest stage's figures stand where a single recipe's do.
Json to_json(const std::vector<StageForecast>& stages) {
  const StageForecast& largest = stages[largest_stage(stages)];
  Json document = to_json(largest.forecast);
  document["largest"] = largest.name;
  document["stages"] = Json::array();
  for (const StageForecast& stage : stages) {
    Json each = to_json(stage.forecast);
    each["name"] = stage.name;
    document["stages"].push_back(std::move(each));
  }
  return document;
}

Status plan_verb(const std::string& path, const std::vector<std::string>& set, bool json,
                 const RankPlan& ranks) {
  LUTHIER_TRY(const auto staged, read_staged_recipe(path, set));
  if (staged) {
    LUTHIER_TRY(const std::vector<StageForecast> stages, plan_stages(*staged, ranks));
    if (json)
      print_json(to_json(stages));
    else
      show(stages, *staged);
    return {};
  }
  LUTHIER_TRY(Recipe recipe, read_recipe(path, set));
  // Nothing is written, so a recipe needs no folder for its run here.
  if (recipe.output_dir.empty()) recipe.output_dir = "runs/planned";
  LUTHIER_TRY(const MemoryForecast forecast, plan(recipe, ranks));
  if (json)
    print_json(to_json(forecast));
  else
    show(forecast, recipe);
  return {};
}

}  // namespace

Action add_plan(CLI::App& app) {
  struct PlanOptions {
    std::string recipe;
    std::vector<std::string> set;
    bool json = false;
    int ranks = 1;
    std::string shard = "none";
  };
  const auto o = std::make_shared<PlanOptions>();
  app.add_option("RECIPE", o->recipe, "A recipe (YAML), also one of stages")->required();
  app.add_option("--set", o->set, "KEY=VALUE: a setting in place of the recipe's (several times)")
      ->allow_extra_args(false);
  app.add_flag("--json", o->json, "One JSON document on stdout");
  app.add_option("--ranks", o->ranks,
                 "Processes that train it together, on this machine: the memory of one of them")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--shard", o->shard, "What ranks keep a part of each, as train has it")
      ->check(CLI::IsMember(shard_words()))
      ->capture_default_str();
  return [o] {
    return in_recipe_file(
        plan_verb(o->recipe, o->set, o->json,
                  {o->ranks, o->ranks > 1 ? shards_of(o->shard) : Shards(), o->ranks}),
        o->recipe);
  };
}

}  // namespace luthier::cli
