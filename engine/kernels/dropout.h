// SPDX-License-Identifier: GPL-3.0-or-later
// Dropout with the mask that nn/dropout.cpp draws on the CPU, and in the same pass the cast or the
// sum that follows it. Nothing happens where no kernel runs.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/device/torch.h"

namespace luthier::kernels {

/// x with elements dropped, rounded to its type and then cast to `type`. `there` ([1] int64 beside
/// x): the seed's bits, read in place of `seed` when the kernel runs; undefined: `seed`.
std::optional<torch::Tensor> dropped(const torch::Tensor& x, double p, std::uint64_t seed,
                                     torch::ScalarType type, const torch::Tensor& there = {});
/// y += dropped x, which is not rounded before; y [the same shape] in one piece. False: nothing was
/// done.
bool add_dropped(const torch::Tensor& y, const torch::Tensor& x, double p, std::uint64_t seed,
                 const torch::Tensor& there = {});

}  // namespace luthier::kernels
