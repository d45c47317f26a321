// SPDX-License-Identifier: GPL-3.0-or-later
// A run without a session around it: the same steps in the calling thread.
#include "engine/session/headless.h"

#include "engine/session/run_observer.h"

namespace luthier {
namespace {
constexpr std::size_t kLaunchForecastRows = 4000, kPlanRows = 50'000;
}

Result<RunResult> train_headless(const Recipe& recipe,
                                 const std::optional<std::filesystem::path>& resume_run,
                                 const std::function<void(const SessionEvent&)>& on_event,
                                 std::stop_token stop, std::size_t held_out_answers) {
  const auto emit = [&](const SessionEvent& event) {
    if (on_event) on_event(event);
  };
  use_all_cores();
  LUTHIER_TRY(BegunRun begun, begin_run(recipe, resume_run));
  if (auto before = begun.ended_before()) return *std::move(before);
  emit(StateChanged{SessionState::Loading, recipe.model});
  TrainerOptions options;
  LUTHIER_TRY(const auto processor, load_processor(begun.recipe));
  LUTHIER_TRY(auto forecast,
              forecast_launch(*processor, begun.recipe, kLaunchForecastRows, options));
  LoadOptions load = load_options(begun.recipe);
  load.go_on = [&stop](double) { return !stop.stop_requested(); };
  LUTHIER_TRY(LoadedModel base, load_model(recipe.model, load));
  TrainControl control;
  control.follow(std::move(stop));
  EventObserver observer(emit, std::move(forecast).value_or(MemoryForecast{}));
  observer.answer_held_out(base, begun, held_out_answers);
  auto result = train(base, std::move(begun), options, control, observer);
  RunEnded ended;
  ended.folder = recipe.output_dir;
  if (result) {
    ended.folder = result->folder;
    ended.state = run_state_name(result->state);
    ended.seconds = result->seconds;
  } else {
    ended.state = "failed";
    ended.error = result.error();
  }
  emit(ended);
  return result;
}

Result<MemoryForecast> plan(const Recipe& recipe) {
  LUTHIER_CHECK(check_recipe(recipe));
  LUTHIER_TRY(const auto processor, load_processor(recipe));
  return forecast_run(*processor, recipe, kPlanRows);
}

}  // namespace luthier
