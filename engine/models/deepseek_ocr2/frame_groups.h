// SPDX-License-Identifier: GPL-3.0-or-later
// How DeepSeek-OCR-2's pictures stand in a batch and go through its towers: tiles and wholes are
// frames of two sizes, of which those of one go together.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/models/model_input.h"

namespace luthier {

/// Frames of one size, in the pictures' order.
struct FrameGroup {
  std::int64_t edge = 0;
  std::vector<std::int64_t> starts;  ///< of each one's pixels among all numbers
  std::vector<std::int64_t> frames;  ///< which of all pictures' frames each is
};
/// The largest first. An exception where a grid is no picture's of this family.
std::vector<FrameGroup> frame_groups(const std::vector<PictureFacts>& pictures);

/// [numbers] → [frames, 3, edge, edge].
torch::Tensor frames_of(const torch::Tensor& pixels, const FrameGroup& group);

/// The gather that brings features from the groups' order into the pictures', where a frame of the
/// i-th group comes to `each[i]`: [features] int64.
torch::Tensor pictures_order(const std::vector<FrameGroup>& groups,
                             const std::vector<std::int64_t>& each);

/// What of [features, then the one that ends a picture] stands in the text, where each picture
/// comes to so many features: [features and ends] int64.
torch::Tensor order_with_ends(const std::vector<std::int64_t>& features);

}  // namespace luthier
