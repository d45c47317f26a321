// SPDX-License-Identifier: GPL-3.0-or-later
// How much of a packed weight is made dense at a time, and what that takes while it is made; beside
// nn/weight, which makes its products so, for the forecast to count.
#pragma once

#include <algorithm>

#include "engine/nn/weight.h"

namespace luthier {

/// Numbers: kDenseRun on the CPU, more where kernels are started from afar.
inline std::int64_t dense_run(bool cpu) { return cpu ? kDenseRun : kDenseRun << 4; }

/// Bytes that so many take at most: themselves, of `element` bytes each; on a device, where tensor
/// operations make them, in float32 first, from places of half their number.
inline std::int64_t dense_run_bytes(std::int64_t numbers, std::int64_t element, bool cpu) {
  constexpr std::int64_t kFloat = 4, kPlace = 2;
  return numbers * (cpu ? element : kFloat + std::max(kPlace, element < kFloat ? element : 0));
}

}  // namespace luthier
