// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives have in common that learn to write one text from another which is made of it
// (span corruption, denoising): rows of a plain text, made anew each time they are seen, and a loss
// over all that is written, which is that of T5ForConditionalGeneration and
// BartForConditionalGeneration given the targets.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/objectives/objective.h"

namespace luthier {

class Rewritten : public Objective {
 public:
  const RowKind& row_kind() const override { return text_rows(); }
  bool rolls_out() const override { return true; }

  std::int64_t count(const MicroBatch& rows) const override {
    std::int64_t sum = 0;
    for (const EncodedRow& row : rows.encoded)
      for (const Example& example : row.sequences)
        sum += std::count_if(example.labels.begin(), example.labels.end(),
                             [](std::int64_t label) { return label != kIgnoreLabel; });
    return sum;
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const torch::Tensor places = label_places(batch.input);  // all but filler
    LossSum loss;
    loss.count = places.size(0);
    if (loss.count == 0) return loss;
    const torch::Tensor states =
        states_before_head(policy.model(), batch.input).index_select(0, places);
    const torch::Tensor target = batch.input.labels.index_select(0, places);
    loss.sum = chunked_cross_entropy(states, policy.model().output_head(), target);
    if (!policy.trains()) loss.figures = evaluated(policy, batch, states, target);
    return loss;
  }
  /// What an evaluation tells beside the loss, of the labels' states before the head.
  virtual std::map<std::string, torch::Tensor> evaluated(Policy&, const Batch&,
                                                         const torch::Tensor& /*states*/,
                                                         const torch::Tensor& /*target*/) {
    return {};
  }

  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    return cross_entropy_cost(pass, head);
  }

  /// Padded on the right; the logits of written tokens [rows, longest, vocabulary].
  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const auto rows = batch.sequences.size();
    std::vector<torch::Tensor> read, written, labels, attention;
    for (std::size_t i = 0; i < rows; ++i) {
      const Example& example = batch.example(i);
      read.push_back(torch::tensor(example.source_ids, torch::kInt64));
      attention.push_back(torch::ones_like(read.back()));
      written.push_back(torch::tensor(example.input_ids, torch::kInt64));
      labels.push_back(torch::tensor(example.labels, torch::kInt64));
    }
    const auto padding = static_cast<double>(batch.padding);
    const torch::Tensor logits =
        policy.model().output_head()->forward(states_before_head(policy.model(), batch.input));
    std::vector<torch::Tensor> by_row =
        logits.to(torch::kFloat32).to(torch::kCPU).split_with_sizes(batch.input.lengths);
    by_row.resize(rows);  // without filler
    return {{"input_ids", at::pad_sequence(read, true, padding)},
            {"attention_mask", at::pad_sequence(attention, true, 0)},
            {"decoder_input_ids", at::pad_sequence(written, true, padding)},
            {"labels", at::pad_sequence(labels, true, static_cast<double>(kIgnoreLabel))},
            {"logits", at::pad_sequence(by_row, true, 0)}};
  }
};

}  // namespace luthier
