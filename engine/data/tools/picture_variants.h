// SPDX-License-Identifier: GPL-3.0-or-later
// Rows once more with their pictures a little otherwise: lighter or darker, of more or less
// contrast, cut at the edges. Nothing is mirrored or turned: answers say where things are.
#pragma once

#include <cstdint>

#include "engine/vision/image.h"

namespace luthier {

struct VariantRules {
  int copies = 0;           ///< of each row with pictures; 0: none
  double brightness = 0.2;  ///< at most so much of white is added or taken
  double contrast = 0.25;   ///< the spread around the middle is at most so much larger or smaller
  double crop = 0.06;       ///< at most so much of an edge is cut off
  std::uint64_t seed = 42;
};

/// The picture as the seed and `place` draw it.
Image picture_variant(const Image& image, const VariantRules& rules, std::uint64_t place);

}  // namespace luthier
