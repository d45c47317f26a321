// SPDX-License-Identifier: GPL-3.0-or-later
// The sizes of SAM's tower, by itself or as DeepSeek-OCR-2 has it, and how a frame shrinks there.
#pragma once

#include <vector>

#include "engine/models/vision_parts.h"

namespace luthier {

struct SamOptions : VisionSizes {
  bool qkv_bias = true;
  bool absolute = true;      ///< a table of positions is added to the patches
  bool relative = true;      ///< and tables of distances to the scores
  std::int64_t window = 14;  ///< patches a side, within which most layers look; 0: all do not
  std::vector<bool> whole;   ///< one a layer: whether it looks over the whole frame
  bool halves = true;        ///< DeepSeek-OCR-2's convolutions stand behind the neck
  std::int64_t neck = 256;   ///< channels behind the layers,
  std::int64_t between = 512, out = 896;  ///< and behind either convolution that halves a side

  std::int64_t side() const { return patch_rows(); }  ///< patches, of what the tables are made for
  /// Patches a side of a frame of that edge; a rest smaller than a patch is left out.
  std::int64_t side_of(std::int64_t edge) const { return edge / patch_size; }
};
/// Reads SamVisionConfig's fields, or those of DeepSeek-OCR-2's sam_config, whose defaults are the
/// same.
Result<SamOptions> read_sam_options(const Json& config, const std::string& where);

/// What a convolution by steps of two leaves of a side.
constexpr std::int64_t halved_side(std::int64_t side) { return (side + 1) / 2; }

}  // namespace luthier
