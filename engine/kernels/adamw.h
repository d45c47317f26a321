// SPDX-License-Identifier: GPL-3.0-or-later
// A step of AdamW for many tensors a launch: moments, master and the trained tensor's rounding in
// one pass, and no memory of its own.
#pragma once

#include <span>

#include "engine/device/torch.h"

namespace luthier::kernels {

struct AdamwMember {
  torch::Tensor parameter;      ///< float32: the trained tensor itself or its master
  torch::Tensor gradient;       ///< of the trained tensor's type, or float32
  torch::Tensor first, second;  ///< float32 moments
  torch::Tensor rounded;        ///< the trained tensor where `parameter` is its master
};
struct AdamwSettings {
  double rate = 0, decay = 0, beta1 = 0, beta2 = 0, epsilon = 0;
  std::int64_t step = 1;  ///< this one, from 1
};
/// How many of the members, from the first on, have been moved: all, or fewer where a launch failed
/// or their types are others than float32 and bfloat16. The rest is as it was.
std::size_t adamw(std::span<const AdamwMember> members, const AdamwSettings& settings);

}  // namespace luthier::kernels
