// SPDX-License-Identifier: GPL-3.0-or-later
// Which part of a picture a processor shows the model, where that is not the whole: a crop around
// the centre leaves its ends out, a square around it adds to them.
#pragma once

#include "engine/base/result.h"

namespace luthier {

/// In shares of the picture's width and height.
struct PicturePart {
  double left = 0, top = 0, width = 1, height = 1;
};

class ShowsPart {
 public:
  virtual ~ShowsPart() = default;
  virtual Result<PicturePart> shown_part(int width, int height) const = 0;
};

}  // namespace luthier
