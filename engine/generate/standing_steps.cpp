// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/standing_steps.h"

#include <c10/util/Exception.h>

#include "engine/generate/leading_tokens.h"

namespace luthier {

namespace {

using torch::Tensor;

/// A recording costs two steps that are launched piece by piece.
constexpr std::int64_t kFewestTokens = 8;
/// Room in the cache comes in such pieces, so that batches of nearly one length share recordings.
/// Fused kernels take masks of a multiple of 16 as they are.
constexpr std::int64_t kRoomStep = 128;

}  // namespace

bool StandingSteps::begin(const KeyValueCache& filled, std::int64_t rows, std::int64_t more,
                          std::int64_t vocabulary) try {
  if (!filled.can_stand || more < kFewestTokens) return false;
  vocabulary_ = vocabulary;
  const std::int64_t capacity = (filled.length() + more + kRoomStep - 1) / kRoomStep * kRoomStep;
  if (!whole_ || whole_->capacity() != capacity || room_rows_ < rows)
    make_room(filled, rows, capacity);
  use(rows);
  now_->cache.take(filled);
  return true;
} catch (const c10::OutOfMemoryError&) {
  batches_.clear(), whole_.reset();  // the cache that the prompts are in is enough to go on
  return false;
}

void StandingSteps::make_room(const KeyValueCache& filled, std::int64_t rows,
                              std::int64_t capacity) {
  now_ = nullptr;
  batches_.clear();
  whole_.reset();  // before there is another
  whole_ = std::make_unique<KeyValueCache>(filled.standing(rows, capacity));
  room_rows_ = rows;
  const auto numbers = torch::TensorOptions().device(device_).dtype(torch::kInt64);
  const auto sent =
      static_cast<std::int64_t>(leading_count(options_, static_cast<std::size_t>(vocabulary_)));
  ids_ = torch::zeros({rows}, numbers);
  leading_ = torch::zeros({rows, 2 + sent}, numbers);
  if (options_.temperature > 0)
    logits_ = torch::zeros({rows, vocabulary_}, numbers.dtype(torch::kFloat32));
}

void StandingSteps::use(std::int64_t rows) {
  const auto found = batches_.find(rows);
  if (found != batches_.end()) {
    now_ = &found->second;
    return;
  }
  const auto part = [rows](const Tensor& whole) {
    return whole.defined() ? whole.narrow(0, 0, rows) : whole;
  };
  Batch& made = batches_
                    .emplace(rows, Batch{whole_->first(rows), part(ids_), part(leading_),
                                         part(logits_), nullptr})
                    .first->second;
  made.graph = std::make_unique<DeviceGraph>(
      device_, [this, &made] { do_step(made); }, memory_);
  now_ = &made;
}

/// What goes on from step to step is written at the very end, so that a step which was broken off
/// can be begun again.
void StandingSteps::do_step(Batch& batch) {
  batch.cache.advance(0);  // what such a step has left there goes
  ModelInput input;
  input.input_ids = batch.ids;
  input.lengths.assign(static_cast<std::size_t>(batch.ids.size(0)), 1);
  const Tensor states = model_.decode(model_.embed(input), &batch.cache);
  const Tensor logits = model_.output_head()->forward(states).to(torch::kFloat32);
  const Tensor leading = leading_tokens(logits, options_);
  batch.leading.copy_(leading);
  if (batch.logits.defined())
    batch.logits.copy_(logits);
  else
    batch.ids.copy_(most_likely(leading, vocabulary_));
  batch.cache.place.add_(1);
}

void StandingSteps::choose_next(const Tensor& ids) { now_->ids.copy_(ids); }

Tensor StandingSteps::step() {
  now_->graph->run();
  return now_->leading;
}

Tensor StandingSteps::logits() const { return now_->logits; }

void StandingSteps::keep(const Tensor& rows) {
  now_->cache.select(rows);
  const std::int64_t left = rows.numel();
  ids_.narrow(0, 0, left).copy_(ids_.index_select(0, rows));
  use(left);
}

std::unique_ptr<StandingSteps> make_standing_steps(Model& model, const GenerationOptions& options) {
  if (!model.causal() || !options.recorded.value_or(graphs_asked_for())) return nullptr;
  GraphRecorder* recorder = graph_recorder(model.device().type());
  return recorder ? std::make_unique<StandingSteps>(model, options, *recorder) : nullptr;
}

}  // namespace luthier
