// SPDX-License-Identifier: GPL-3.0-or-later
// A run without a session around it: the same steps in the calling thread.
#include "engine/session/headless.h"

#include <algorithm>

#include "engine/device/device_facts.h"
#include "engine/io/json.h"
#include "engine/runs/changed_settings.h"
#include "engine/session/run_observer.h"
#include "engine/session/stage_runs.h"
#include "engine/train/sharded_base.h"
#include "engine/train/shared_run.h"

namespace luthier {
namespace {
constexpr std::size_t kLaunchForecastRows = 4000, kPlanRows = 50'000;

using Emit = std::function<void(const SessionEvent&)>;

void tell_end(const Emit& emit, const Result<RunResult>& result, const std::string& folder) {
  if (result) return emit(ended_as(*result));
  RunEnded ended;
  ended.folder = folder;
  ended.state = "failed";
  ended.error = result.error();
  emit(ended);
}

/// On a machine with a card for each of its ranks they take one each.
std::string device_of(const RankPlace& place, const std::string& asked) {
  const bool any = asked == "auto" || asked == "cuda";
  if (!any) return asked;
  const std::size_t cards = device_facts().cards.size();
  return static_cast<std::size_t>(place.local_size) <= cards
             ? "cuda:" + std::to_string(place.local_rank)
             : asked;
}

/// `stage`: of a run of stages, whose end is not this run's to tell. `ranks`: of a run that several
/// processes train; the events are rank 0's.
Result<RunResult> train_once(const Recipe& recipe, const std::optional<std::filesystem::path>& run,
                             const Emit& emit, const std::stop_token& stop,
                             std::size_t held_out_answers, const StageRun* stage = nullptr,
                             const std::vector<RunEdit>& edits = {},
                             const std::shared_ptr<Ranks>& ranks = {}, const Shards& shards = {}) {
  LUTHIER_TRY(BegunRun begun, ranks
                                  ? begin_shared_run(recipe, run, *ranks, shards, stage != nullptr)
                                  : begin_run(recipe, run));
  if (auto before = begun.ended_before()) return *std::move(before);
  if (stage) keep_stage_products(begun, *stage);
  emit(StateChanged{SessionState::Loading, recipe.model});
  const bool follows = ranks && !ranks->leads();
  TrainerOptions options;
  options.edits = edits;
  options.ranks = ranks;
  options.shards = shards;
  options.ranks_stay = stage != nullptr;
  LUTHIER_TRY(FixedSamples fixed, fixed_samples(begun.recipe));
  LUTHIER_TRY(const auto processor, load_processor(begun.recipe));
  std::optional<MemoryForecast> forecast;
  if (!follows) {
    LUTHIER_TRY(forecast, forecast_launch(*processor, begun.recipe, kLaunchForecastRows, options));
  }
  if (ranks) {
    LUTHIER_TRY(const std::string said,
                from_leader(*ranks, options.gradient_checkpointing ? "yes" : "no"));
    options.gradient_checkpointing = said == "yes";
  }
  LoadOptions load = load_options(begun.recipe);
  if (ranks) load.device = device_of(ranks->place(), load.device);
  load.go_on = [&stop](double) { return !stop.stop_requested(); };
  LUTHIER_TRY(LoadedModel base, ranks && shards.base ? load_sharded_base(begun.recipe, load, ranks)
                                                     : load_model(recipe.model, load));
  if (stage && stage->check) LUTHIER_CHECK(stage->check(base));
  LUTHIER_CHECK(check_fixed_samples(base, fixed));
  TrainControl control;
  control.follow(stop);
  EventObserver observer(emit, std::move(forecast).value_or(MemoryForecast{}));
  if (!follows) {
    observer.answer_held_out(base, begun, held_out_answers);
    observer.answer_fixed(std::move(fixed));
  }
  auto result = train(base, std::move(begun), options, control, observer);
  if (!stage) tell_end(emit, result, recipe.output_dir);
  return result;
}

Emit or_nobody(const Emit& on_event) {
  return on_event ? on_event : [](const SessionEvent&) {};
}

}  // namespace

Result<RunResult> train_headless(const Recipe& recipe,
                                 const std::optional<std::filesystem::path>& resume_run,
                                 const std::function<void(const SessionEvent&)>& on_event,
                                 std::stop_token stop, std::size_t held_out_answers,
                                 const std::vector<RunEdit>& edits) {
  const Emit emit = or_nobody(on_event);
  use_all_cores();
  return train_once(recipe, resume_run, emit, stop, held_out_answers, nullptr, edits);
}

Result<RunResult> train_rank_headless(const RankPlace& place, const Recipe& recipe,
                                      const std::optional<std::filesystem::path>& resume_run,
                                      const std::function<void(const SessionEvent&)>& on_event,
                                      std::stop_token stop, const std::vector<RunEdit>& edits,
                                      std::int64_t come, const Shards& shards) {
  use_all_cores();
  RankLimits limits;
  limits.come = std::chrono::seconds(come);
  LUTHIER_TRY(const std::shared_ptr<Ranks> ranks,
              Ranks::meet(place, limits, [&stop] { return !stop.stop_requested(); }));
  const Emit emit = or_nobody(ranks->leads() ? on_event : nullptr);
  auto result = train_once(recipe, resume_run, emit, stop, 0, nullptr, edits, ranks, shards);
  ranks->leave(result ? "" : result.error().sentence());
  return result;
}

Result<RunResult> train_stages_headless(const StagedRecipe& staged,
                                        const std::optional<std::filesystem::path>& resume_run,
                                        const std::function<void(const SessionEvent&)>& on_event,
                                        std::stop_token stop) {
  const Emit emit = or_nobody(on_event);
  use_all_cores();
  StageHost host;
  host.emit = emit;
  host.stopping = [&stop] { return stop.stop_requested(); };
  host.train = [&](const StageRun& stage) {
    return train_once(stage.recipe, stage.folder, emit, stop, /*held_out_answers=*/0, &stage);
  };
  auto result = run_stages(staged, resume_run, host);
  tell_end(emit, result, staged.output_dir);
  return result;
}

namespace {

constexpr const char *kCourse = "course", *kStage = "stage";

/// Input error where rank 0 has other stages.
Status same_course(const Json& order, const StagedRecipe& mine, int rank) {
  LUTHIER_TRY(const auto given,
              parse_staged_recipe(order.at("recipe").get<std::string>(), "rank 0's recipe"));
  const auto alike = [](const RecipeStage& one, const RecipeStage& other) {
    return one.name == other.name && one.merge == other.merge;
  };
  if (!given || !std::equal(given->stages.begin(), given->stages.end(), mine.stages.begin(),
                            mine.stages.end(), alike))
    return input_error("Rank " + std::to_string(rank) + " has other stages than rank 0.", "stages",
                       "Give all ranks the same recipe and --set.");
  std::string changes;
  for (std::size_t i = 0; i < mine.stages.size(); ++i) {
    const std::string text = changes_text(
        changed_settings(given->stages[i].recipe, mine.stages[i].recipe), stage_prefix(i));
    if (!text.empty()) changes += (changes.empty() ? "" : "; ") + text;
  }
  if (changes.empty()) return {};
  return input_error(
      "Rank " + std::to_string(rank) + " has another recipe than rank 0: " + changes + ".", "",
      "Give all ranks the same recipe and --set.");
}

/// A stage as rank 0 has begun it. Its rows are this machine's, and the first one's model; what an
/// earlier stage has left lies in the run's folder.
Result<StageRun> stage_of(const Json& order, const StagedRecipe& mine) {
  const auto index = order.at("stage").get<std::size_t>();
  LUTHIER_TRY(Recipe recipe,
              parse_recipe(order.at("recipe").get<std::string>(), "rank 0's recipe"));
  const Recipe& own = mine.stages.at(index).recipe;
  recipe.dataset = own.dataset;
  recipe.eval_dataset = own.eval_dataset;
  recipe.image_folder = own.image_folder;
  recipe.training.device = own.training.device;
  if (index == 0) {
    recipe.model = own.model;
    recipe.adapter.init_from = own.adapter.init_from;
  }
  return StageRun{std::move(recipe),
                  order.at("folder").get<std::string>(),
                  {},
                  order.at("products").get<std::string>()};
}

/// What rank 0 says of a stage before it begins.
std::string stage_order(const StageRun& stage, std::size_t index) {
  Recipe recipe = stage.recipe;
  const auto there = [](std::string& path) {
    if (!path.empty()) path = std::filesystem::absolute(path).string();
  };
  there(recipe.model);
  there(recipe.adapter.init_from);
  return Json{{"do", kStage},
              {"stage", index},
              {"recipe", recipe_to_yaml(recipe)},
              {"folder", std::filesystem::absolute(stage.folder).string()},
              {"products", stage.products}}
      .dump();
}

/// Of a rank that follows: the stages as they come, until rank 0 says that it was the last.
Result<RunResult> follow_stages(const StagedRecipe& staged, Ranks& ranks,
                                const std::stop_token& stop,
                                const std::function<Result<RunResult>(const StageRun&)>& train) {
  RunResult result;
  for (;;) {
    LUTHIER_TRY(const std::string text, ranks.next_order([&] { return !stop.stop_requested(); }));
    if (text == "end") return result;
    const Json order = Json::parse(text, nullptr, false);
    const std::string what = order.is_object() ? order.value("do", "") : "";
    if (what == kCourse) {
      const Status same = same_course(order, staged, ranks.rank());
      LUTHIER_CHECK(ranks.gather(same ? std::string() : same.error().what));
      LUTHIER_CHECK(same);
      continue;
    }
    if (what != kStage) return order_not_known(text);
    LUTHIER_TRY(const StageRun stage, stage_of(order, staged));
    LUTHIER_TRY(result, train(stage));
  }
}

}  // namespace

Result<RunResult> train_stages_rank_headless(
    const RankPlace& place, const StagedRecipe& staged,
    const std::optional<std::filesystem::path>& resume_run,
    const std::function<void(const SessionEvent&)>& on_event, std::stop_token stop,
    std::int64_t come, const Shards& shards) {
  use_all_cores();
  for (std::size_t i = 0; shards.optimizer && i < staged.stages.size(); ++i) {
    if (const Status fine = can_shard(staged.stages[i].recipe); !fine)
      return in_stage(fine.error(), i);
  }
  RankLimits limits;
  limits.come = std::chrono::seconds(come);
  LUTHIER_TRY(const std::shared_ptr<Ranks> ranks,
              Ranks::meet(place, limits, [&stop] { return !stop.stop_requested(); }));
  const Emit emit = or_nobody(ranks->leads() ? on_event : nullptr);
  const auto train = [&](const StageRun& stage) {
    return train_once(stage.recipe, stage.folder, emit, stop, /*held_out_answers=*/0, &stage, {},
                      ranks, shards);
  };
  const auto lead = [&]() -> Result<RunResult> {
    LUTHIER_CHECK(
        ranks->order(Json{{"do", kCourse}, {"recipe", staged_recipe_to_yaml(staged)}}.dump()));
    // Before there is a folder.
    LUTHIER_TRY(const std::vector<std::string> faults, ranks->gather(std::string()));
    for (const std::string& fault : faults)
      if (!fault.empty())
        return input_error(fault, "", "Give all ranks the same recipe and --set.");
    std::size_t index = 0;
    StageHost host;
    host.emit = [&](const SessionEvent& event) {
      if (const auto* began = std::get_if<StageBegan>(&event)) index = began->index;
      emit(event);
    };
    host.stopping = [&stop] { return stop.stop_requested(); };
    host.ranks = ranks->size();
    host.train = [&](const StageRun& stage) -> Result<RunResult> {
      LUTHIER_CHECK(ranks->order(stage_order(stage, index)));
      return train(stage);
    };
    return run_stages(staged, resume_run, host);
  };
  auto result = ranks->leads() ? lead() : follow_stages(staged, *ranks, stop, train);
  tell_end(emit, result, staged.output_dir);
  ranks->leave(result ? "" : result.error().sentence());
  return result;
}

Result<MemoryForecast> plan(const Recipe& given, const RankPlan& ranks) {
  Recipe recipe = given;
  recipe.training.gradient_accumulation_steps *= ranks.ranks;  // of the run's window

  LUTHIER_CHECK(check_recipe(recipe));
  LUTHIER_TRY(const auto processor, load_processor(recipe));
  return forecast_run(*processor, recipe, kPlanRows, ranks);
}

Result<std::vector<StageForecast>> plan_stages(const StagedRecipe& staged, const RankPlan& ranks) {
  LUTHIER_TRY(const std::vector<StageStep> steps, plan_course(staged));
  std::vector<StageForecast> stages;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    auto forecast = plan(steps[i].foreseen, ranks);
    if (!forecast) return in_stage(forecast.error(), i);
    stages.push_back({steps[i].name, forecast.take()});
  }
  return stages;
}

std::size_t largest_stage(const std::vector<StageForecast>& stages) {
  std::size_t largest = 0;
  for (std::size_t i = 1; i < stages.size(); ++i) {
    if (stages[i].forecast.parts.total() > stages[largest].forecast.parts.total()) largest = i;
  }
  return largest;
}

}  // namespace luthier
