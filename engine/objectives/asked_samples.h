// SPDX-License-Identifier: GPL-3.0-or-later
// What is asked about all samples of a generation before its first loss, in the micro-batches that
// they are learned in.
#pragma once

#include <vector>

#include "engine/batches/generation.h"
#include "engine/objectives/policy.h"

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
/// each sample's place and tensor.
template <class F, class T>
void ask_slices(Policy& policy, Generation& generation, const F& ask, const T& take) {
  const torch::NoGradGuard no_grad;
  for (std::int64_t slice = 0; slice < generation.slices; ++slice) {
    const MicroBatch rows = slice_of(generation, slice);
    if (rows.empty()) continue;
    const Batch batch = policy.batch(rows, SequenceOrder::RowByRow, BatchMaker::Pass::Evaluation);
    const std::vector<torch::Tensor> each = ask(batch);
    const std::vector<SamplePlace> places = places_of(generation, slice);
    for (std::size_t i = 0; i < places.size(); ++i) take(places[i], each[i].contiguous());
  }
}

}  // namespace luthier
