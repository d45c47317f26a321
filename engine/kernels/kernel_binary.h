// SPDX-License-Identifier: GPL-3.0-or-later
// A source's kernels ready to be loaded for a card: made ahead by nvcc, found in the cache, or
// compiled now.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/kernels/kernel_cache.h"

namespace luthier {

/// The one of those made ahead that a card of this capability takes: the newest cubin that it runs,
/// else the newest PTX; null: it is too old or too new for all of them.
const AheadBinary* ahead_for(const KernelSource& source, int capability);

/// `capability`: 90 for compute capability 9.0. A newly compiled one goes into the cache.
Result<std::string> kernel_binary(const KernelSource& source, int capability, KernelCache& cache);

}  // namespace luthier
