// SPDX-License-Identifier: GPL-3.0-or-later
// A picture from anywhere: decoded or refused, with memory bounded by the cap; what decodes has the pixels that its size says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "engine/vision/image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto image = luthier::decode_image_bytes(std::as_bytes(std::span(data, size)), "fuzz", {1'000'000});
  if (!image && image.error().what.empty()) std::abort();
  if (image && image->rgb.size() != std::size_t(image->width) * std::size_t(image->height) * 3) std::abort();
  return 0;
}
