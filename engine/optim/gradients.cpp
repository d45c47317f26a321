// SPDX-License-Identifier: GPL-3.0-or-later
// Norm and clipping go over torch's list kernels.
#include "engine/optim/gradients.h"

#include <algorithm>

namespace luthier {
namespace {

std::vector<torch::Tensor> gradients_of(const std::vector<TrainedTensor>& tensors) {
  std::vector<torch::Tensor> gradients;
  for (const TrainedTensor& trained : tensors) {
    if (trained.tensor.grad().defined()) gradients.push_back(trained.tensor.grad());
  }
  return gradients;
}

}  // namespace

void widen_gradients(const std::vector<TrainedTensor>& tensors) {
  const torch::NoGradGuard no_grad;
  for (const TrainedTensor& trained : tensors) {
    torch::Tensor& gradient = trained.tensor.mutable_grad();
    if (gradient.defined() && gradient.itemsize() < sizeof(float))
      gradient = gradient.to(torch::kFloat32);
  }
}

torch::Tensor gradient_norm_there(const std::vector<TrainedTensor>& tensors) {
  const torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> gradients = gradients_of(tensors);
  if (gradients.empty()) return {};
  const std::vector<torch::Tensor> norms = at::_foreach_norm(gradients, 2, torch::kFloat32);
  return torch::stack(norms).norm();
}

double gradient_norm(const std::vector<TrainedTensor>& tensors) {
  const torch::Tensor norm = gradient_norm_there(tensors);
  return norm.defined() ? norm.item<double>() : 0;
}

void clip_gradients(const std::vector<TrainedTensor>& tensors, double norm, double max_norm) {
  if (max_norm <= 0) return;
  // float32, as torch computes the coefficient from the norm's tensor
  const float coefficient =
      std::min(1.0f, static_cast<float>(max_norm) / (static_cast<float>(norm) + 1e-6f));
  if (coefficient >= 1.0f) return;  // multiplying by one changes nothing
  const torch::NoGradGuard no_grad;
  at::_foreach_mul_(gradients_of(tensors), coefficient);
}

}  // namespace luthier
