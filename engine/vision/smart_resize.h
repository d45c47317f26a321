// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen2-VL's smart_resize, which pictures and films share: a size near their own in whole blocks,
// within a range of pixels. Internal to the vision room.
#pragma once

#include "engine/vision/frames.h"
#include "engine/vision/pixel_limits.h"

namespace luthier::detail {

struct SmartSize {
  std::int64_t block = 28;  ///< an edge's divisor: patch and merge sizes multiplied
  PixelRange range;
  bool do_resize = true;
  /// GLM-V's: the range is that of so many frames, and what is smaller than a block is enlarged
  /// first. 0: a picture's own, as it is.
  std::int64_t frames = 0;
  /// Qwen3-VL's: what the range is held against first, before it is kept by `frames`. 0: the same.
  std::int64_t patched_frames = 0;
};

Result<Extent> smart_resize(Extent from, const SmartSize& size);

}  // namespace luthier::detail
