// SPDX-License-Identifier: GPL-3.0-or-later
// Views of a picture by chance, as SimCLR has them (Chen et al. 2020, section 3): a part of it at
// the whole's size, perhaps mirrored, in other colours, perhaps grey. Hue and blur are left out.
#pragma once

#include <array>
#include <vector>

#include "engine/base/random_stream.h"
#include "engine/nn/parameters.h"
#include "engine/vision/picture_colours.h"

namespace luthier {

struct ViewSettings {
  double smallest = 0.2;  ///< the least share of the picture's area that a view shows
  double jitter = 0.8;    ///< brightness, contrast and saturation are within 1 ± this
};

/// Uniform numbers in [0, 1) that one view is made by: area, form, left, top, mirrored, coloured,
/// brightness, contrast, saturation, grey.
inline constexpr std::size_t kViewDraws = 10;
std::vector<double> draw_view(RandomStream& draws);

/// A number for each colour, to be laid over a picture: [3, 1, 1] float32.
torch::Tensor along_colours(const std::array<double, 3>& values);

/// One picture [3, height, width] as the model would get it → its view, of the same shape. What is
/// kept is a rectangle of at least `smallest` of the area and of 3:4 to 4:3, laid at the picture's
/// size by torch's bilinear filter with antialiasing; mirrored every second time; in other colours
/// 8 times of 10 (brightness, contrast, saturation, in that order, by torchvision's formulas); grey
/// 2 times of 10.
torch::Tensor picture_view(const torch::Tensor& picture, const double* draws,
                           const ViewSettings& settings, const PictureColours& colours);

}  // namespace luthier
