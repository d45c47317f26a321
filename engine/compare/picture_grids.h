// SPDX-License-Identifier: GPL-3.0-or-later
// Where a row's picture tokens lie on its pictures: of families that show the model the picture as
// one grid, or as tiles beside a view of the whole (of which the whole counts).
#pragma once

#include <vector>

#include "engine/compare/picture_attention.h"
#include "engine/compare/sample.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// None where the sample has no picture. An Input error: how this family lays them out is not known
/// here, or they are not among the tokens.
Result<std::vector<PictureGrid>> picture_grids(const LoadedModel& model,
                                               const ChatProcessor& processor,
                                               const Example& example, const Sample& sample);

}  // namespace luthier
