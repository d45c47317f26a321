// SPDX-License-Identifier: GPL-3.0-or-later
// What a picture becomes on its way into a model: one size, tiles, or patches by its own size.
// Asked of the checkpoint's picture processor with pictures of many shapes, for config.json alone
// does not say it.
#pragma once

#include <cstdint>

#include "engine/models/model_summary.h"
#include "engine/vision/image_processor.h"

namespace luthier {

struct PictureReading {
  enum class Kind {
    Unknown,
    Fixed,    ///< every picture gets the same size
    Tiles,    ///< as many tiles of one size as the picture's shape asks for
    Patches,  ///< as many patches as the picture's size asks for
  } kind = Kind::Unknown;
  int width = 0, height = 0;  ///< of the picture (Fixed) or a tile (Tiles)
  std::int64_t least_tiles = 1, most_tiles = 1;
  std::int64_t least_patches = 0, most_patches = 0;  ///< of a picture; with tiles, of one of them
  std::int64_t least_tokens = 0,
               most_tokens = 0;  ///< that a picture takes in the text; 0: its shape alone says
};

/// `limits`: a recipe's, which replace the processor's own.
PictureReading picture_facts(const ModelSummary& summary, const PixelLimits& limits = {});

}  // namespace luthier
