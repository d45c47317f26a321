// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of any proportions for one learned table of positions (NaFlex, Tschannen et al. 2025):
// which shares of the table's cells each patch takes, where the table is stretched or shrunk over
// the picture's patches.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

/// A frame's patches.
struct PatchGrid {
  std::int64_t rows = 0, columns = 0;
};

/// [patches, side²] float32: what each patch of these frames, one after another and row by row,
/// takes of a table of `side` × `side` positions, as torch's bilinear interpolation with antialias
/// has it.
torch::Tensor position_shares(const std::vector<PatchGrid>& frames, std::int64_t side);

}  // namespace luthier
