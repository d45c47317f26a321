// SPDX-License-Identifier: GPL-3.0-or-later
// A picture from anywhere: decoded or refused, with memory bounded by the cap; what decodes has the
// pixels that its size says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "engine/base/base64.h"
#include "engine/vision/image.h"
#include "engine/vision/inline_picture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = luthier::decode_base64(text))
    if (bytes->size() > text.size()) std::abort();
  const std::filesystem::path as_text = "data:" + std::string(text);  // not base64, mostly
  if (const auto size_there = luthier::read_image_size(as_text, {1'000'000}))
    if (size_there->width < 1 || size_there->height < 1) std::abort();
  const auto image =
      luthier::decode_image_bytes(std::as_bytes(std::span(data, size)), "fuzz", {1'000'000});
  if (!image && image.error().what.empty()) std::abort();
  if (image && image->rgb.size() != std::size_t(image->width) * std::size_t(image->height) * 3)
    std::abort();
  return 0;
}
