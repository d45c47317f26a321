// SPDX-License-Identifier: GPL-3.0-or-later
// What is asked about all samples of a generation before its first loss, in the micro-batches that
// they are learned in.
#pragma once

#include <vector>

#include "engine/batches/generation.h"
#include "engine/objectives/policy.h"
#include "engine/ranks/shared_work.h"

namespace luthier {

/// `work` gets each row with each of its samples and that one's sequence.
template <class F>
void each_sample(Generation& generation, const F& work) {
  for (EncodedRow& row : generation.rows.encoded)
    for (std::size_t i = 0; i < row.samples.size(); ++i)
      work(row, row.samples[i], row.sequences[i]);
}

/// Each sample's log-probabilities, on the host.
inline std::vector<torch::Tensor> of_each(const LogProbs& found) {
  return found.values.log_probs.to(torch::kCPU).split_with_sizes(found.counts);
}

/// `ask` gets a batch and answers with a tensor for each of its sequences, on the host; `take` gets
/// each sample's place and tensor. Of several ranks each asks about micro-batches of its own, and
/// all take all. An error is another rank's; `ask` throws its own.
template <class F, class T>
Status ask_slices(Policy& policy, Generation& generation, const F& ask, const T& take) {
  const torch::NoGradGuard no_grad;
  const auto asked = [&](std::int64_t slice) -> std::vector<torch::Tensor> {
    const MicroBatch rows = slice_of(generation, slice);
    if (rows.empty()) return {};
    const Batch batch = policy.batch(rows, SequenceOrder::RowByRow, BatchMaker::Pass::Evaluation);
    return ask(batch);
  };
  const auto taken = [&](std::int64_t slice, const std::vector<torch::Tensor>& each) {
    const std::vector<SamplePlace> places = places_of(generation, slice);
    for (std::size_t i = 0; i < places.size(); ++i) take(places[i], each[i].contiguous());
  };
  if (!generation.shared) {
    for (std::int64_t slice = 0; slice < generation.slices; ++slice) taken(slice, asked(slice));
    return {};
  }
  LUTHIER_TRY(
      const std::vector<Json> all,
      generation.shared->each(
          static_cast<std::size_t>(generation.slices), [&](std::size_t slice) -> Result<Json> {
            Json found = Json::array();
            for (const torch::Tensor& each : asked(static_cast<std::int64_t>(slice)))
              found.push_back(tensor_json(each));
            return found;
          }));
  for (std::int64_t slice = 0; slice < generation.slices; ++slice) {
    std::vector<torch::Tensor> each;
    for (const Json& one : all[static_cast<std::size_t>(slice)]) each.push_back(tensor_of(one));
    taken(slice, each);
  }
  return {};
}

}  // namespace luthier
