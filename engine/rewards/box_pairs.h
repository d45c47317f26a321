// SPDX-License-Identifier: GPL-3.0-or-later
// Boxes that were said beside those that were expected.
#pragma once

#include <vector>

#include "engine/data/boxes/box_notation.h"

namespace luthier {

/// Σ intersection over union of pairs, the largest first, each box in one pair at most, over the
/// larger number of boxes: 0 to 1. Boxes of two labels make no pair; one without a label goes with
/// any, and letters' case does not count. Both are in numbers of one kind: which, does not matter,
/// since a side's unit goes out of the quotient. None on either side: 1; on one: 0.
double box_overlap(const std::vector<LabelledBox>& said, const std::vector<LabelledBox>& expected);

}  // namespace luthier
