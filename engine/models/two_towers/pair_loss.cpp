// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/two_towers/pair_loss.h"

namespace luthier {

using torch::Tensor;

Tensor likeness(const Tensor& texts, const Tensor& images, const Tensor& scale,
                const Tensor& bias) {
  const Tensor alike = images.dim() == 2
                           ? at::matmul(texts, images.t())
                           : std::get<0>(at::matmul(images, texts.t()).max(/*dim=*/1)).t();
  const Tensor scaled = alike * scale;
  return (bias.defined() ? scaled + bias : scaled).to(torch::kFloat32);
}

Tensor pair_loss(TwoTowers& towers, const Tensor& logits) {
  if (towers.bias().defined()) {
    // The diagonal is to be true, all else false.
    const Tensor signs = 2 * torch::eye(logits.size(0), logits.options()) - 1;
    return at::log_sigmoid(signs * logits).sum().neg();
  }
  const auto* smoothed = dynamic_cast<const SmoothedPairs*>(&towers);
  const Tensor own = torch::arange(logits.size(0), logits.options().dtype(torch::kInt64));
  const auto picked = [&](const Tensor& side) {
    return at::cross_entropy_loss(side, own, {}, at::Reduction::Sum, /*ignore_index=*/-100,
                                  smoothed ? smoothed->label_smoothing() : 0);
  };
  return (picked(logits) + picked(logits.t())) / 2;
}

Tensor picture_probabilities(TwoTowers& towers, const Tensor& logits) {
  return towers.bias().defined() ? at::sigmoid(logits.t()) : at::softmax(logits.t(), -1);
}

}  // namespace luthier
