// SPDX-License-Identifier: GPL-3.0-or-later
// Dropout whose mask is a function of a seed and a place, not of a generator's state: the backward
// and a recomputed layer draw the same mask again instead of keeping it, and a resumed run repeats
// it.
#pragma once

#include <cstdint>
#include <utility>

#include "engine/device/torch.h"

namespace luthier {

/// What decides a mask: a number of the host's or, where work is recorded that will be done again
/// under other seeds (device/graph), one that stands in the device's memory.
struct MaskSeed {
  MaskSeed() = default;
  MaskSeed(std::uint64_t value) : number(value) {}  // NOLINT: a seed is a number
  MaskSeed(std::uint64_t value, torch::Tensor standing)
      : number(value), there(std::move(standing)) {}
  std::uint64_t number = 0;
  torch::Tensor there;  ///< [1] int64, its bits, beside x: read in place of the number; undefined:
                        ///< there is none, as always on the CPU
};

/// Inverted dropout (Srivastava et al. 2014): each element is 0 with probability `p`, else x / (1 −
/// p). The same seed drops the same places. Applied to a gradient it is its own backward. `p` in
/// [0, 1).
torch::Tensor dropped_out(const torch::Tensor& x, double p, const MaskSeed& seed);

/// Adds dropped_out(x, p, seed) to `sum`, of the same type and sizes, outside autograd: in one pass
/// on the CPU and where kernels of our own run, and there what is added is not rounded before.
void add_dropped_out(torch::Tensor& sum, const torch::Tensor& x, double p, const MaskSeed& seed);

/// Both at once, where one mask serves a gradient and what it came from: adds dropped_out(added) to
/// `sum` and → dropped_out(x), all of one type and sizes. On the CPU each place is decided once,
/// and the result stands where `added` stood, which is the caller's no more.
torch::Tensor add_and_drop(torch::Tensor& sum, torch::Tensor added, const torch::Tensor& x,
                           double p, const MaskSeed& seed);

/// dropped_out with ATen's own generator, as it is done on a device for which nobody launches
/// kernels of ours: its mask is another.
torch::Tensor dropped_by_generator(const torch::Tensor& x, double p, std::uint64_t seed);
/// dropped_out by ATen's operators under a seed that stands ([1] int64 beside x), as it is done on
/// a device where our kernel was not launched, and under a recorded seed: the CPU's mask. A
/// generator's seed is the host's.
torch::Tensor dropped_by_places(const torch::Tensor& x, double p, const torch::Tensor& seed);

}  // namespace luthier
