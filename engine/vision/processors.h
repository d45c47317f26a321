// SPDX-License-Identifier: GPL-3.0-or-later
// The builders that image_processor.cpp's table points to; one file a kind of processor. Internal to the vision room.
#pragma once

#include "engine/vision/image_processor.h"

namespace luthier::detail {

Result<std::unique_ptr<ImageProcessor>> create_clip_processor(const Json& config, const std::string& where, const PixelLimits& limits);
Result<std::unique_ptr<ImageProcessor>> create_siglip_processor(const Json& config, const std::string& where, const PixelLimits& limits);
Result<std::unique_ptr<ImageProcessor>> create_llava_processor(const Json& config, const std::string& where, const PixelLimits& limits);

}  // namespace luthier::detail
