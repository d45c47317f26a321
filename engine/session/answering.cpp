// SPDX-License-Identifier: GPL-3.0-or-later
// Answers of every column to every sample, streaming, those on the resident base together; and one
// training step tried on the longest rows.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "engine/base/text.h"
#include "engine/compare/compare.h"
#include "engine/config/order_fields.h"
#include "engine/data/columns.h"
#include "engine/device/exact_math.h"
#include "engine/device/failure.h"
#include "engine/device/memory.h"
#include "engine/models/packing.h"
#include "engine/models/score_head.h"
#include "engine/optim/gradients.h"
#include "engine/optim/optimizers.h"
#include "engine/session/model_worker.h"
#include "engine/session/worker_asking.h"
#include "engine/train/companion.h"
#include "engine/train/step_runner.h"

namespace luthier {
namespace fs = std::filesystem;

Result<std::shared_ptr<Adapter>> ModelWorker::column_adapter(const std::string& name) const {
  if (name == kTrainingColumn && live_) return live_;
  const auto found = attached_.find(name);
  if (found == attached_.end())
    return input_error("There is no adapter \"" + name + "\".", "adapter", "Attach it first.");
  return found->second.adapter;
}

Result<std::shared_ptr<const ChatProcessor>> ModelWorker::column_processor(
    const Adapter* adapter) const {
  if (adapter && adapter == live_.get()) return base_->processor;  // the run's own
  return processor_for(*base_, adapter ? adapter->pixels : merged_pixels_);
}

/// Streams; an answer goes out as final with its last token, so that a request that is cancelled or
/// fails later keeps it.
bool ModelWorker::tell_answer(Asking& asking, std::size_t column, std::size_t sample,
                              const Generated& answer) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kBetween(60);
  const bool final = !answer.finish.empty();
  const auto now = Clock::now();
  if (final || now - asking.sent[{column, sample}] > kBetween) {
    asking.sent[{column, sample}] = now;
    host_.emit(AnswerUpdate{asking.request, sample, column, answer.text, answer.tokens,
                            answer.seconds, answer.finish, final});
  }
  if (final && asking.total() > 1) {
    const auto done = static_cast<double>(++asking.done);
    host_.emit(Progress{asking.request, "Answering", done, static_cast<double>(asking.total())});
  }
  return !host_.cancellations->cancelled(asking.request);
}

Status ModelWorker::answer_by_checkpoint(Asking& asking, std::size_t column,
                                         const fs::path& folder) {
  LoadOptions options = base_options_;
  options.random_weights = false;
  options.pixels = {};  // its own processor says how it sees pictures
  options.go_on = [&](double) { return !host_.cancellations->cancelled(asking.request); };
  host_.emit(Progress{asking.request, "Loading a column's model", 0, 0});
  const auto watch = [&](std::size_t sample, const Generated& answer) {
    return tell_answer(asking, column, sample, answer);
  };
  Status status;
  {
    LUTHIER_TRY(const LoadedModel own, load_model(folder, options));
    status = answer_samples(own, *own.processor, asking.asked.samples, asking.asked.draws,
                            asking.asked.options, watch);
  }
  release_cached_memory(base_->model->device());
  return status;
}

Status ModelWorker::answer_by_base(Asking& asking, const std::vector<std::size_t>& places) {
  std::vector<ResidentColumn> columns;
  for (const std::size_t place : places) {
    ResidentColumn column;
    if (const auto& name = asking.asked.columns[place]) {
      LUTHIER_TRY(column.adapter, column_adapter(*name));
      column.adapter->set_training(false, 0);
    }
    // Columns that see pictures alike have the samples' prompts in common.
    const auto alike = std::find_if(columns.begin(), columns.end(), [&](const auto& other) {
      return column.adapter && column.adapter != live_ && other.adapter && other.adapter != live_ &&
             other.adapter->pixels == column.adapter->pixels;
    });
    if (alike != columns.end()) {
      column.processor = alike->processor;
    } else {
      LUTHIER_TRY(column.processor, column_processor(column.adapter.get()));
    }
    columns.push_back(std::move(column));
  }
  if (live_) live_->deactivate();  // the trainer puts its own back
  const Status status = answer_columns(
      *base_, columns, asking.asked.samples, asking.asked.draws, asking.asked.options,
      [&](std::size_t column, std::size_t sample, const Generated& answer) {
        return tell_answer(asking, places[column], sample, answer);
      });
  for (const ResidentColumn& column : columns)
    if (column.adapter && column.adapter != live_) column.adapter->rest();
  return status;
}

Status ModelWorker::answer(const AnswerRequest& asked, RequestId request) {
  LUTHIER_CHECK(need_base());
  if (!asked.draws.empty() && asked.draws.size() != asked.samples.size()) {
    return input_error("Each sample needs a stream of draws.", "draws");
  }
  LUTHIER_CHECK(check_pictures(asked.samples));
  Asking asking{asked, request};
  try {
    std::vector<std::size_t> on_base;
    std::vector<std::pair<std::size_t, fs::path>> checkpoints;
    for (std::size_t column = 0; column < asked.columns.size(); ++column) {
      const auto& name = asked.columns[column];
      LUTHIER_TRY(const auto adapter,
                  name ? column_adapter(*name) : Result<std::shared_ptr<Adapter>>(nullptr));
      if (name && !adapter)
        checkpoints.emplace_back(column, attached_.at(*name).folder);
      else
        on_base.push_back(column);
    }
    if (host_.cancellations->cancelled(request)) return interrupted_error();
    LUTHIER_CHECK(answer_by_base(asking, on_base));
    for (const auto& [column, folder] : checkpoints) {
      if (host_.cancellations->cancelled(request)) return interrupted_error();
      LUTHIER_CHECK(answer_by_checkpoint(asking, column, folder));
    }
    if (host_.cancellations->cancelled(request)) return interrupted_error();
  } catch (const std::exception& failure) {
    return answering_failure(failure, *base_);
  }
  return {};
}

Status ModelWorker::try_one_step(const Recipe& recipe, RequestId request,
                                 const Cancelled& cancelled) {
  LUTHIER_CHECK(check_recipe(recipe));
  LUTHIER_CHECK(
      load_for(recipe, [&] { return cancelled() || host_.cancellations->cancelled(request); }));
  host_.set_state(SessionState::Preparing, "");
  const auto work = [&]() -> Status {
    LUTHIER_TRY(const auto objective, make_objective(recipe));
    LUTHIER_CHECK(objective->fits(*base_));
    const ScoreHeadWhile head(*base_);
    LUTHIER_CHECK(set_score_head(*base_, objective->score_numbers(),
                                 static_cast<std::uint64_t>(recipe.training.seed)));
    RowReader reader;
    reader.processor = base_->processor;
    reader.kind = &objective->row_kind();
    reader.loss_on = loss_on_from_name(recipe.training.loss_on);
    reader.max_length = recipe.training.max_length;
    const std::vector<std::string> files = training_files(recipe);
    LUTHIER_TRY(reader.dataset, open_rows(recipe, files));
    LUTHIER_TRY(const std::vector<RowShape> rows,
                measure_rows(*reader.dataset, *base_->processor, recipe, 50'000,
                             [&](std::size_t, std::size_t) {
                               return !host_.cancellations->cancelled(request);
                             }));
    LUTHIER_TRY(const BatchShape shape, batch_shape(rows, recipe));
    LUTHIER_TRY(const ModelSummary summary, summarize_model(recipe.model));
    LUTHIER_TRY(const MemoryForecast forecast, forecast_memory(summary, recipe, shape));
    Window window;
    window.batches.emplace_back();
    const GenerationPlan generations = objective->generations();
    if (generations) window.generations.push_back({0, {}});
    MicroBatch& longest = generations ? window.generations.front().rows : window.batches.front();
    const std::int64_t taken =
        generations ? (shape.batch_size + generations.samples - 1) / generations.samples
                    : shape.batch_size;
    for (std::int64_t i = 0; i < std::min(taken, static_cast<std::int64_t>(rows.size())); ++i) {
      const auto row = static_cast<std::int64_t>(rows[static_cast<std::size_t>(i)].row);
      LUTHIER_TRY(EncodedRow encoded, reader.read(row));
      longest.rows.push_back(row);
      longest.encoded.push_back(std::move(encoded));
      longest.cached.emplace_back();
    }
    LUTHIER_TRY(Trainables trainables, apply_strategy(*base_, recipe));
    LUTHIER_CHECK(add_companion(trainables, *base_, recipe, *objective));
    const std::unique_ptr<Optimizer> optimizer = make_optimizer(trainables.tensors, recipe);
    LUTHIER_TRY(auto reference,
                make_reference(*base_, recipe, *objective, trainables.adapter != nullptr));
    StepRunner runner(*base_, *objective, trainables, nullptr, std::move(reference));
    base_->model->set_gradient_checkpointing(forecast.gradient_checkpointing);
    if (trainables.companion)
      trainables.companion->model().set_gradient_checkpointing(forecast.gradient_checkpointing);
    const torch::Device device = base_->model->device();
    const ExactMath exact(device);  // as a run would
    OneStepTried tried{request, forecast, {}, 0};
    // Twice: the first step makes the optimizer's state, the second one shows the peak with it. A
    // rate of zero changes no weight.
    for (int turn = 0; turn < 2; ++turn) {
      const auto start = std::chrono::steady_clock::now();
      reset_memory_peak(device);
      Window own = window;  // its rows may be used up
      LUTHIER_TRY(const WindowOutcome outcome,
                  runner.accumulate(own, static_cast<std::uint64_t>(recipe.training.seed), 0));
      // Times a rate of zero it would still be no number, and so would the weights.
      if (!outcome.finite || !std::isfinite(outcome.norm))
        return input_error("The loss or its gradient is not finite on the longest rows.",
                           reader.dataset->where(rows.front().row),
                           "A run would change no weight in such a step and end after a few.");
      tried.measured.gradients = optimizer->gradient_bytes();
      optimizer->step(0);
      tried.step_seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      const MemoryUse use = memory_use(device);
      optimizer->clear_gradients();
      tried.measured.weights = weight_bytes(*base_, trainables);
      tried.measured.adapter = trainables.adapter_bytes();
      tried.measured.optimizer = optimizer->state_bytes();
      tried.measured.activations =
          std::max<std::int64_t>(0, use.peak - tried.measured.weights - tried.measured.adapter -
                                        tried.measured.gradients - tried.measured.optimizer);
    }
    host_.emit(tried);
    return {};
  };
  Status status;
  try {
    status = work();
  } catch (const std::exception& failure) {
    status =
        device_failure(failure,
                       machine_error("Memory ran out in one step on the longest rows.",
                                     recipe.model, "The forecast's advice says what to lower."),
                       machine_error(first_line(failure.what()), recipe.model),
                       base_ ? base_->model->device().str() : "cpu");
  }
  if (base_) {
    base_->model->set_gradient_checkpointing(false);
    for (torch::Tensor& tensor : base_->model->parameters()) {
      tensor.mutable_grad().reset();
      tensor.requires_grad_(false);
    }
    release_cached_memory(base_->model->device());
  }
  host_.set_state(resting(), "");
  return status;
}

}  // namespace luthier
