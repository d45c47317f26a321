// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of the optimizers: which tensors have a float32 master, and how what is kept beside a
// trained tensor is laid out in memory.
#pragma once

#include "engine/config/optimizer_state.h"
#include "engine/device/torch.h"

namespace luthier {

/// Also of a tensor that does not lie in one piece, which the kernels of lists ask for.
inline bool needs_master(const torch::Tensor& tensor) {
  return tensor.scalar_type() != torch::kFloat32 || !tensor.is_contiguous();
}

inline torch::Tensor float32_copy(const torch::Tensor& tensor) {
  return tensor.detach().to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true).contiguous();
}

/// Of a kept tensor beside this trained one: its type, and where it stands.
inline torch::TensorOptions options_of(const StateTensor& kept, const torch::Tensor& trained) {
  const auto type = kept.type == StateTensor::Type::UInt8 ? torch::kUInt8 : torch::kFloat32;
  const torch::Device place = kept.paged ? torch::Device(torch::kCPU) : trained.device();
  return torch::TensorOptions().dtype(type).device(place);
}

}  // namespace luthier
