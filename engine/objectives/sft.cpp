// SPDX-License-Identifier: GPL-3.0-or-later
// Supervised fine-tuning: position t predicts the label at t + 1 (transformers' ForCausalLMLoss). Only positions with a label reach the head.
#include "engine/objectives/objective.h"

namespace luthier {

LossSum sft_loss(VisionLanguageModel& model, const ModelInput& input) {
  const torch::Tensor hidden = model.decode(model.embed(input), nullptr);                  // [batch, seq, hidden]
  const std::int64_t batch = hidden.size(0), seq = hidden.size(1), width = hidden.size(2);
  const torch::Tensor labels = at::full({batch, 1}, kIgnoreLabel, input.labels.options());
  const torch::Tensor shifted = at::cat({input.labels.slice(1, 1), labels}, 1).reshape({batch * seq});
  const torch::Tensor places = (shifted != kIgnoreLabel).nonzero().squeeze(1);              // [labels]
  LossSum loss;
  loss.count = places.size(0);
  const torch::Tensor chosen = hidden.reshape({batch * seq, width}).index_select(0, places);
  loss.sum = chunked_cross_entropy(chosen, model.head(), shifted.index_select(0, places));
  return loss;
}

const std::vector<Objective>& objectives() {
  static const std::vector<Objective> table{{"sft", sft_loss}};
  return table;
}

}  // namespace luthier
