// SPDX-License-Identifier: GPL-3.0-or-later
// Supervised fine-tuning: position t predicts the label at t + 1 (transformers' ForCausalLMLoss).
// Only positions with a label reach the head.
#include "engine/objectives/objective.h"

namespace luthier {

LossSum sft_loss(VisionLanguageModel& model, const ModelInput& input) {
  const torch::Tensor hidden = model.decode(model.embed(input), nullptr);  // [tokens, hidden]
  torch::Tensor shifted = input.labels.roll(-1);
  std::vector<std::int64_t> ends;  // a row's last token predicts nothing
  std::int64_t end = 0;
  for (const std::int64_t length : input.lengths) ends.push_back((end += length) - 1);
  shifted.index_fill_(0, torch::tensor(ends, torch::kInt64).to(shifted.device()), kIgnoreLabel);
  const torch::Tensor places = (shifted != kIgnoreLabel).nonzero().squeeze(1);  // [labels]
  LossSum loss;
  loss.count = places.size(0);
  const torch::Tensor chosen = hidden.index_select(0, places);
  loss.sum = chunked_cross_entropy(chosen, model.head(), shifted.index_select(0, places));
  return loss;
}

const std::vector<Objective>& objectives() {
  static const std::vector<Objective> table{{"sft", sft_loss}};
  return table;
}

}  // namespace luthier
