// SPDX-License-Identifier: GPL-3.0-or-later
// How a folder's picture processor lays colours: what a model gets of a colour c from 0 to 1 is
// (c − mean) / deviation.
#pragma once

#include <array>
#include <filesystem>

#include "engine/base/result.h"

namespace luthier {

struct PictureColours {
  std::array<double, 3> mean{}, deviation{1, 1, 1};  ///< red, green, blue
};

/// By the folder's processor files; where they say nothing, halves, and where they do not
/// normalise, the colours themselves.
Result<PictureColours> picture_colours(const std::filesystem::path& folder);

}  // namespace luthier
