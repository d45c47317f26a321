// SPDX-License-Identifier: GPL-3.0-or-later
// Which pixels of a picture are meant: read from a picture of black and white, or drawn from boxes
// and polygons; kept as the lengths of its runs, and asked for at any size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/vision/image.h"

namespace luthier {

struct Mask {
  int width = 0, height = 0;
  std::vector<std::uint8_t> inside;  ///< [height, width], 1 where the pixel is meant, else 0
};

/// White is meant, black is not; an Input error at `where` for any other colour.
Result<Mask> mask_of_picture(const Image& image, const std::string& where);

/// `shapes`: a box [x1, y1, x2, y2], a polygon [[x, y], …], or a list of boxes, of polygons and of
/// polygons as COCO writes them ([x1, y1, x2, y2, x3, y3, …]); all together are meant. In pixels
/// from the picture's top left corner. A pixel is meant whose centre lies inside (a polygon that
/// crosses itself: an odd number of times). An Input error at `where` for what is none of these,
/// reaches outside the picture or covers no pixel.
Result<Mask> mask_of_shapes(const Json& shapes, ImageSize size, const std::string& where);
/// What of that can be said without drawing.
Status check_mask_shapes(const Json& shapes, ImageSize size, const std::string& where);

/// Width, height, and the lengths of its runs row by row, of pixels that are not meant and of those
/// that are by turns; what is not meant comes first (perhaps none).
std::vector<double> mask_runs(const Mask& mask);
/// Of such runs the mask at another size, each pixel that of the old one which its centre falls
/// into (Pillow's NEAREST): [height · width] of 0 and 1.
std::vector<float> mask_at(const std::vector<double>& runs, std::int64_t height,
                           std::int64_t width);

}  // namespace luthier
