// SPDX-License-Identifier: GPL-3.0-or-later
// A run without a session around it: the same steps in the calling thread.
#include "engine/session/headless.h"

#include "engine/device/device_facts.h"
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
  LUTHIER_TRY(BegunRun begun,
              ranks ? begin_shared_run(recipe, run, *ranks, shards) : begin_run(recipe, run));
  if (auto before = begun.ended_before()) return *std::move(before);
  if (stage) keep_stage_products(begun, *stage);
  emit(StateChanged{SessionState::Loading, recipe.model});
  const bool follows = ranks && !ranks->leads();
  TrainerOptions options;
  options.edits = edits;
  options.ranks = ranks;
  options.shards = shards;
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
  LUTHIER_TRY(LoadedModel base, ranks && shards.base
                                    ? load_sharded_base(begun.recipe, load, ranks)
                                    : load_model(recipe.model, load));
  if (stage && stage->check) LUTHIER_CHECK(stage->check(base));
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

Result<MemoryForecast> plan(const Recipe& given, const RankPlan& ranks) {
  Recipe recipe = given;
  recipe.training.gradient_accumulation_steps *= ranks.ranks;  // of the run's window

  LUTHIER_CHECK(check_recipe(recipe));
  LUTHIER_TRY(const auto processor, load_processor(recipe));
  return forecast_run(*processor, recipe, kPlanRows, ranks);
}

Result<std::vector<StageForecast>> plan_stages(const StagedRecipe& staged) {
  LUTHIER_TRY(const std::vector<StageStep> steps, plan_course(staged));
  std::vector<StageForecast> stages;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    auto forecast = plan(steps[i].foreseen);
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
