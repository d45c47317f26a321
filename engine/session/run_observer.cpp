// SPDX-License-Identifier: GPL-3.0-or-later
// Small pieces that both kinds of run need.
#include "engine/session/run_observer.h"

#include "engine/ranks/ranks.h"

#include <algorithm>

#include "engine/base/log.h"
#include "engine/batches/row_order.h"
#include "engine/compare/held_out.h"
#include "engine/data/media_limits.h"
#include "engine/device/memory.h"
#include "engine/device/threads.h"

namespace luthier {

SessionState state_of(TrainPhase phase) {
  switch (phase) {
    case TrainPhase::Preparing: return SessionState::Preparing;
    case TrainPhase::Training: return SessionState::Training;
    case TrainPhase::Pausing: return SessionState::Pausing;
    case TrainPhase::Paused: return SessionState::Paused;
    case TrainPhase::Saving: return SessionState::Saving;
    case TrainPhase::Stopping: return SessionState::Stopping;
  }
  return SessionState::Training;
}

void EventObserver::on_phase(TrainPhase phase, const std::string& detail) {
  emit_(StateChanged{state_of(phase), detail});
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

void EventObserver::answer_held_out(const LoadedModel& base, const BegunRun& run,
                                    std::size_t rows) {
  base_ = &base;
  if (rows == 0 && run.run && run.run->recorded)
    rows = static_cast<std::size_t>(std::max<std::int64_t>(0, run.run->recorded->held_out_answers));
  held_out_answers_ = rows;
  held_out_ = held_out_samples(run.recipe, rows);
}

Result<std::map<std::string, double>> EventObserver::score_held_out(
    const std::function<bool()>& go_on) {
  if (held_out_.empty()) return std::map<std::string, double>();
  emit_(Progress{0, "Answering held-out rows", 0, 0});
  return held_out_scores(*base_, adapter_, held_out_, go_on);
}

Result<std::map<std::string, double>> EventObserver::score_probe(
    const std::function<bool()>& go_on) {
  if (fixed_.probe.empty()) return std::map<std::string, double>();
  emit_(Progress{0, "Answering the probe", 0, 0});
  return held_out_scores(*base_, adapter_, fixed_.probe, go_on, fixed_.probe_tokens);
}

Result<std::string> EventObserver::answer_samples(std::int64_t step, bool first,
                                                  const std::function<bool()>& go_on) {
  if (fixed_.samples.empty()) return std::string();
  emit_(Progress{0, "Answering samples", 0, 0});
  return answered_lines(*base_, adapter_, fixed_, step, first, go_on);
}

RunEnded ended_as(const RunResult& result) {
  RunEnded ended;
  ended.folder = result.folder;
  ended.state = run_state_name(result.state);
  ended.seconds = result.seconds;
  return ended;
}

Result<MemoryForecast> forecast_run(const ChatProcessor& processor, const Recipe& recipe,
                                    std::size_t max_rows, const RankPlan& ranks) {
  LUTHIER_TRY(const ModelSummary summary, summarize_model(recipe.model));
  LUTHIER_TRY(const auto dataset, open_training_data(recipe));
  LUTHIER_TRY(const auto rows, measure_rows(*dataset, processor, recipe, max_rows));
  LUTHIER_TRY(const BatchShape shape, batch_shape(rows, recipe));
  return forecast_memory(summary, recipe, shape, ranks);
}

Result<std::optional<MemoryForecast>> forecast_launch(const ChatProcessor& processor,
                                                      const Recipe& recipe, std::size_t max_rows,
                                                      TrainerOptions& options) {
  options.gradient_checkpointing = recipe.training.gradient_checkpointing == "true";
  RankPlan ranks;
  if (options.ranks)
    ranks = {options.ranks->size(), options.shards, options.ranks->place().local_size};
  auto made = forecast_run(processor, recipe, max_rows, ranks);
  if (!made) return std::optional<MemoryForecast>();
  LUTHIER_CHECK(check_room(*made, recipe));
  if (!made->fits())
    log_warning("The forecast says that memory will not do; training.on_low_memory says to try.");
  if (!made->known()) log_warning(unknown_room(*made));
  options.gradient_checkpointing = made->gradient_checkpointing;
  return std::optional<MemoryForecast>(made.take());
}

Result<std::shared_ptr<const ChatProcessor>> load_processor(const Recipe& recipe) {
  return load_processor(recipe.model, media_limits(recipe));
}

void use_all_cores() {
  install_counting_allocator();
  take_all_cores();
}

}  // namespace luthier
