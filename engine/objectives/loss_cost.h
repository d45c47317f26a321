// SPDX-License-Identifier: GPL-3.0-or-later
// What a loss needs while it is made of the last states. No LibTorch.
#pragma once

#include "engine/models/cost.h"

namespace luthier {

/// Logits exist for so many rows at a time that they have about so many numbers: 16 MiB of float32.
inline constexpr std::int64_t kLossChunkElements = 1 << 22;

struct LossCost {
  std::int64_t work = 0;      ///< at its peak
  std::int64_t gradient = 0;  ///< of the head's weight, in float32; 0: it gets none
};

/// Of cross-entropy at the labels (chunked_cross_entropy), the chosen states' gather included.
LossCost cross_entropy_cost(const Pass& pass, const HeadCost& head);

}  // namespace luthier
