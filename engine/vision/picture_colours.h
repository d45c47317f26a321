// SPDX-License-Identifier: GPL-3.0-or-later
// How a picture processor lays colours: what a model gets of a colour c from 0 to 1 is
// (c − mean) / deviation.
#pragma once

#include <array>

#include "engine/base/result.h"
#include "engine/vision/image_processor.h"

namespace luthier {

struct PictureColours {
  std::array<double, 3> mean{}, deviation{1, 1, 1};  ///< red, green, blue
};

/// By what the processor makes of a black picture and of a white one, so that its type's own
/// defaults and steps count (EfficientNet divides twice). Of one that does not make [frames, 3,
/// height, width], or no number of a colour, the colours themselves.
Result<PictureColours> picture_colours(const ImageProcessor& processor);

}  // namespace luthier
