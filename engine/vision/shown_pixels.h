// SPDX-License-Identifier: GPL-3.0-or-later
// What a picture processor has made, as pixels again: the same numbers before mean and deviation
// were taken out, in the frames that the tower sees. How a processor lays pixels out, and what it
// does to a colour, is asked of the processor itself, with pictures of one colour and a ramp.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/vision/image_processor.h"

namespace luthier {

struct ShownFrame {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  ///< [height, width, 3]
  int patch = 0;                  ///< a patch's side, where the layout is one of patches; else 0
};

/// One a frame, tile or step of a film, in their order; at most `most`. An Input error where the
/// layout is none that can be drawn: its patches lie in an order of the family's own.
Result<std::vector<ShownFrame>> shown_frames(const PixelValues& pixels,
                                             const ImageProcessor& processor,
                                             std::size_t most = 64);

}  // namespace luthier
