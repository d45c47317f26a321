// SPDX-License-Identifier: GPL-3.0-or-later
// Where the patches of MiniCPM-V's units lie: a unit is a whole picture or one of its slices.
// Patches that become one stand together here, so that mergers read them without a gather.
#pragma once

#include <vector>

#include "engine/models/model_input.h"
#include "engine/models/siglip2/naflex_grid.h"

namespace luthier {

/// The units of these pictures, as the processor gave them (vision/minicpmv_processor.cpp): of each
/// the whole, then its slices row by row.
std::vector<PatchGrid> units_of(const std::vector<PictureFacts>& pictures);

/// [patches] int64: of units one after another, each row by row, the place of the patch that comes
/// next where the four of each square of two by two stand together, then the four squares of each
/// square of those, and so on `levels` times. The squares of the last level come row by row. Throws
/// where a unit does not divide into those.
torch::Tensor nested_order(const std::vector<PatchGrid>& units, std::int64_t levels);

/// [patches] int64, row by row: which of a table of `side` × `side` positions each patch has. The
/// table lies over the unit; of the cells it begins in, as torch's bucketize says.
torch::Tensor nearest_positions(const std::vector<PatchGrid>& units, std::int64_t side);

}  // namespace luthier
