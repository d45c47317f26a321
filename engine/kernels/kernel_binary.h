// SPDX-License-Identifier: GPL-3.0-or-later
// A source's kernels ready to be loaded for a card: made ahead by nvcc, found in the cache, or
// compiled now.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/kernels/kernel_cache.h"

namespace luthier {

/// `capability`: 90 for compute capability 9.0. A newly compiled one goes into the cache.
Result<std::string> kernel_binary(const KernelSource& source, int capability, KernelCache& cache);

}  // namespace luthier
