// SPDX-License-Identifier: GPL-3.0-or-later
// Small pieces that both kinds of run need.
#include "engine/session/run_observer.h"

#include "engine/device/memory.h"
#include "engine/device/threads.h"

namespace luthier {

void EventObserver::on_phase(TrainPhase phase, const std::string& detail) {
  SessionState state = SessionState::Training;
  switch (phase) {
    case TrainPhase::Preparing: state = SessionState::Preparing; break;
    case TrainPhase::Training: state = SessionState::Training; break;
    case TrainPhase::Pausing: state = SessionState::Pausing; break;
    case TrainPhase::Paused: state = SessionState::Paused; break;
    case TrainPhase::Saving: state = SessionState::Saving; break;
    case TrainPhase::Stopping: state = SessionState::Stopping; break;
  }
  emit_(StateChanged{state, detail});
}

void EventObserver::on_start(const TrainStart& start) {
  RunStarted started;
  started.folder = start.folder;
  started.recipe = start.recipe;
  started.total_steps = start.total_steps;
  started.first_step = start.first_step;
  started.steps_per_epoch = start.steps_per_epoch;
  started.trainable = start.trainable;
  started.parameters = start.parameters;
  started.forecast = forecast_;
  started.learning_rate = start.learning_rate;
  emit_(std::move(started));
}

LoadOptions load_options(const Recipe& recipe) {
  LoadOptions options;
  options.device = recipe.training.device;
  options.dtype = recipe.training.dtype;
  options.random_weights = recipe.init == "random";
  options.seed = static_cast<std::uint64_t>(recipe.training.seed);
  options.pixels.min_pixels = recipe.image.min_pixels;
  options.pixels.max_pixels = recipe.image.max_pixels;
  options.quantization = quantization_settings(recipe);
  return options;
}

Result<MemoryForecast> forecast_run(const ChatProcessor& processor, const Recipe& recipe,
                                    std::size_t max_rows) {
  LUTHIER_TRY(const ModelSummary summary, summarize_model(recipe.model));
  LUTHIER_TRY(const auto dataset,
              Dataset::open({recipe.dataset.begin(), recipe.dataset.end()}, recipe.image_folder));
  LUTHIER_TRY(const auto rows,
              measure_rows(*dataset, processor, recipe.training.loss_on, max_rows));
  LUTHIER_TRY(const BatchShape shape, batch_shape(rows, recipe));
  return forecast_memory(summary, recipe, shape);
}

Result<std::shared_ptr<const ChatProcessor>> load_processor(const Recipe& recipe) {
  return load_processor(recipe.model,
                        PixelLimits{recipe.image.min_pixels, recipe.image.max_pixels});
}

void use_all_cores() {
  install_counting_allocator();
  take_all_cores();
}

}  // namespace luthier
