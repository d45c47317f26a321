// SPDX-License-Identifier: GPL-3.0-or-later
// Forward and backward of micro-batches. With a fixed tower the features of each row's pictures are
// computed on their own (see RowCache).
#include "engine/train/step_runner.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>

#include "engine/base/random_stream.h"
#include "engine/device/threads.h"

namespace luthier {

std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t counter) {
  return mixed_bits(seed * kGoldenStep + (counter + 1) * 0xd1b54a32d192ed03ull);
}

std::int64_t filler_tokens(std::int64_t tokens) {
  const std::int64_t unit = tokens < 512 ? 16 : tokens < 2048 ? 32 : 64;
  return (unit - tokens % unit) % unit;
}

namespace {

/// oneDNN compiles and keeps a kernel for each shape of a product. A short row of filler tokens at
/// the end, which carries no label and which no other row sees, rounds the number of tokens up, so
/// that batches of nearly one size share their kernels.
ModelInput rounded_up(ModelInput input, TokenId filler) {
  const std::int64_t missing = filler_tokens(input.input_ids.size(0));
  if (missing == 0) return input;
  input.input_ids = at::cat({input.input_ids, torch::full({missing}, filler, torch::kInt64)});
  input.labels = at::cat({input.labels, torch::full({missing}, kIgnoreLabel, torch::kInt64)});
  input.lengths.push_back(missing);
  input.prompt_lengths.push_back(0);
  return input;
}

/// Whether one thread does the row's pictures sooner than two that wait for one another. It goes by
/// the row alone, so that a row's features have the same bits in whichever batch they are made.
bool is_small(const Example& example) {
  std::size_t numbers = 0;
  for (const PixelValues& image : example.images) numbers += image.values.size();
  return numbers <= 3 * 128 * 128;
}

}  // namespace

/// What the fixed tower gives for each row whose features are not kept yet; undefined for the
/// others and for rows without pictures.
std::vector<torch::Tensor> StepRunner::tower_features(const MicroBatch& batch) {
  const torch::Device device = base_.model->device();
  const std::size_t count = batch.examples.size();
  std::vector<torch::Tensor> rows(count);
  const auto wanted = [&](std::size_t i) {
    return !batch.cached[i] && !batch.examples[i].images.empty();
  };
  const auto make = [&](std::size_t i) {
    const torch::NoGradGuard no_grad;
    rows[i] = base_.model->picture_tower()->tower(to_device(collate({batch.examples[i]}), device));
  };
  const auto aside = [&](std::size_t i) { return device.is_cpu() && is_small(batch.examples[i]); };
  // Rows side by side, each on one thread; the range is at least two, since a range of one would
  // not count as parallel.
  at::parallel_for(0, static_cast<std::int64_t>(std::max<std::size_t>(2, count)), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (auto i = static_cast<std::size_t>(begin);
                          i < std::min(count, static_cast<std::size_t>(end)); ++i) {
                       if (wanted(i) && aside(i)) make(i);
                     }
                   });
  for (std::size_t i = 0; i < count; ++i) {
    if (wanted(i) && !aside(i)) make(i);
  }
  return rows;
}

ModelInput StepRunner::prepare(const MicroBatch& batch) {
  const torch::Device device = base_.model->device();
  const TokenId filler = base_.processor->image_token_id() == 0 ? 1 : 0;
  const auto laid = [&](const std::vector<Example>& examples) {
    ModelInput input = collate(examples);
    return device.is_cpu() ? rounded_up(std::move(input), filler) : input;
  };
  if (!trainables_.tower_fixed) return to_device(laid(batch.examples), device);

  std::vector<Example> texts;
  std::vector<torch::Tensor> features;
  const std::vector<torch::Tensor> made = tower_features(batch);
  for (std::size_t i = 0; i < batch.examples.size(); ++i) {
    const Example& example = batch.examples[i];
    texts.push_back(without_pixels(example));
    const auto& cached = batch.cached[i];
    const torch::Tensor row = cached ? cached->features : made[i];
    if (!cached && cache_) cache_->keep(batch.rows[i], example, row);
    if (row.defined()) features.push_back(row.to(device));
  }
  ModelInput input = to_device(laid(texts), device);
  if (!features.empty())
    input.tower_features = features.size() == 1 ? features.front() : at::cat(features, 0);
  return input;
}

WindowOutcome StepRunner::accumulate(const Window& window, std::uint64_t seed,
                                     std::int64_t first_batch, const std::function<bool()>& go_on) {
  WindowOutcome outcome;
  for (std::size_t i = 0; i < window.batches.size(); ++i) {
    if (go_on && !go_on()) {
      outcome.abandoned = true;
      return outcome;
    }
    adapt_waiting();
    const std::int64_t number = first_batch + static_cast<std::int64_t>(i);
    if (window.batches[i].examples.empty()) continue;
    if (trainables_.adapter)
      trainables_.adapter->set_training(true,
                                        stream_seed(seed, static_cast<std::uint64_t>(number)));
    const ModelInput input = prepare(window.batches[i]);
    const LossSum loss = objective_.loss(*base_.model, input);
    if (loss.count == 0 || window.labels == 0 || !loss.sum.defined()) continue;
    const torch::Tensor share = loss.sum / static_cast<double>(window.labels);
    const double value = share.item<double>();
    outcome.loss += value;
    if (!std::isfinite(value)) {
      outcome.finite = false;
      outcome.suspects = window.batches[i].rows;
      return outcome;
    }
    if (share.requires_grad()) share.backward();
  }
  return outcome;
}

Result<double> StepRunner::evaluate(const RowReader& reader, const std::vector<std::int64_t>& rows,
                                    std::int64_t batch_size,
                                    const std::function<bool(std::size_t, std::size_t)>& go_on,
                                    std::vector<BrokenRow>* broken) {
  const torch::NoGradGuard no_grad;
  if (trainables_.adapter) trainables_.adapter->set_training(false, 0);
  double sum = 0;
  std::int64_t counted = 0;
  for (std::size_t begin = 0; begin < rows.size(); begin += static_cast<std::size_t>(batch_size)) {
    if (go_on && !go_on(begin, rows.size())) return interrupted_error();
    adapt_waiting();
    std::vector<Example> examples;
    for (std::size_t at = begin;
         at < std::min(rows.size(), begin + static_cast<std::size_t>(batch_size)); ++at) {
      RowFault fault = RowFault::BadRow;
      auto example = reader.read(rows[at], &fault);
      if (example) {
        examples.push_back(example.take());
        continue;
      }
      if (!is_picture_fault(fault) || !reader.skip_broken) return example.error();
      if (broken) broken->push_back({rows[at], example.error().sentence()});
    }
    if (examples.empty()) continue;
    const LossSum loss =
        objective_.loss(*base_.model, to_device(collate(examples), base_.model->device()));
    if (loss.count == 0) continue;
    sum += loss.sum.item<double>() / static_cast<double>(loss.count) *
           static_cast<double>(examples.size());
    counted += static_cast<std::int64_t>(examples.size());
  }
  return counted ? sum / static_cast<double>(counted) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace luthier
