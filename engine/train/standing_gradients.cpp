// SPDX-License-Identifier: GPL-3.0-or-later
// What is added to 0 or to a float32 sum is what LibTorch would have made there: the first gradient
// as it is, later ones added in the sum's type.
#include "engine/train/standing_gradients.h"

namespace luthier {

using torch::Tensor;

void StandingGradients::attach(bool on) {
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    tensors_[i].tensor.mutable_grad() = on ? standing_[i] : Tensor();
}

void StandingGradients::begin() {
  const torch::NoGradGuard no_grad;
  if (!standing_.empty()) at::_foreach_zero_(standing_);
  for (std::size_t i = standing_.size(); i < tensors_.size(); ++i) {
    const Tensor& tensor = tensors_[i].tensor;
    const torch::ScalarType type = wide_ ? torch::kFloat32 : tensor.scalar_type();
    standing_.push_back(at::zeros_like(tensor, tensor.options().dtype(type).requires_grad(false)));
  }
  attach(true);
  reached_.assign(tensors_.size(), false);
}

std::vector<bool> StandingGradients::apart(const std::function<void()>& work) {
  attach(false);
  try {
    work();
  } catch (...) {
    attach(true);
    throw;
  }
  const torch::NoGradGuard no_grad;
  std::vector<bool> found(tensors_.size(), false);
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    Tensor& made = tensors_[i].tensor.mutable_grad();
    found[i] = made.defined();
    if (found[i]) standing_[i].add_(made);
    made = standing_[i];
  }
  reach(found);
  return found;
}

void StandingGradients::reach(const std::vector<bool>& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) reached_[i] = reached_[i] || tensors[i];
}

void StandingGradients::end() {
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (!reached_[i]) tensors_[i].tensor.mutable_grad().reset();
}

}  // namespace luthier
