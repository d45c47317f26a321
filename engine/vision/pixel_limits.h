// SPDX-License-Identifier: GPL-3.0-or-later
// How many pixels a picture may have where a processor keeps it near its own size (Qwen2-VL's and
// its successors'): what a configuration says, what a recipe says in its place, and how a tuned
// checkpoint carries the latter on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/vision/image_processor.h"

namespace luthier {

/// The least and the most pixels of a picture, both in force.
struct PixelRange {
  std::int64_t least = 56 * 56, most = 28 * 28 * 1280;
};

/// A limit that somebody set, from 1 to 2^48; `field` names it in the error.
Status check_pixel_limit(std::int64_t pixels, const std::string& field);
/// The settings' own numbers, with `limits` in their places, which stand in the recipe's `section`;
/// `standard` where neither says any.
Result<PixelRange> read_pixel_range(const Json& config, const std::string& where,
                                    const PixelLimits& limits, const PixelRange& standard = {},
                                    const std::string& section = "image");
/// Writes the limits into the picture processor's settings of a checkpoint folder, so that
/// transformers makes the same pixels. Nothing without limits; an Input error where the processor
/// has none.
Status store_pixel_limits(const std::filesystem::path& folder, const ProcessorDefaults& defaults,
                          const PixelLimits& limits);

}  // namespace luthier
