// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA-NeXT's image_grid_pinpoints: the resolutions that a picture may be cut at. The picture
// processor chooses one, and the model chooses the same again when it puts the tiles' features
// together.
#pragma once

#include <string>
#include <vector>

#include "engine/vision/processor_settings.h"

namespace luthier::detail {

/// Reads image_grid_pinpoints, pairs [height, width]; where there are none `pinpoints` stays what
/// it is.
Status read_pinpoints(const Json& config, const std::string& where, std::vector<Extent>& pinpoints);

/// transformers' own list, in its order.
std::vector<Extent> usual_pinpoints();
/// LLaVA-OneVision's: every one of 1 to 6 tiles of 384 by as many.
std::vector<Extent> onevision_pinpoints();

/// The one that keeps most of a picture of this extent and, of those, wastes least; the first of
/// equals.
Extent best_resolution(const std::vector<Extent>& pinpoints, Extent from);

}  // namespace luthier::detail
