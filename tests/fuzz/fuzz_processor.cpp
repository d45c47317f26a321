// SPDX-License-Identifier: GPL-3.0-or-later
// A picture processor's settings from anywhere, after four bytes that say how large the pictures
// are: refused with a sentence, or outlines of any picture within the bounds, and values just as
// the outline says. Settings with large numbers are outlined only: they are slow.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/io/json.h"
#include "engine/vision/image_processor.h"

namespace {

bool small(const luthier::Json& value) {
  if (value.is_number()) return value.get<double>() <= 300;
  if (value.is_structured())
    for (const auto& item : value)
      if (!small(item)) return false;
  return true;
}

double count(const luthier::PixelValues& pixels) {
  double all = 1;
  for (const std::int64_t extent : pixels.shape) all *= static_cast<double>(extent);
  return all;
}

// What a picture becomes has values, not without bound, and its outline holds none.
void check(const luthier::Result<luthier::PixelValues>& outline) {
  if (!outline) {
    if (outline.error().sentence().empty()) std::abort();
    return;
  }
  for (const std::int64_t extent : outline->shape)
    if (extent < 1) std::abort();
  for (const std::int64_t extent : outline->grid)
    if (extent < 0) std::abort();
  if (count(*outline) > 1 << 28 || !outline->values.empty()) std::abort();
}

// `settings`: what the processor was made of.
void try_processor(const luthier::ImageProcessor& processor, const luthier::Json& settings,
                   const std::uint8_t* data) {
  const int width = data[0] + 1, height = data[1] + 1, scale = 1 << data[2] % 16;
  check(processor.outline(width * scale, height));
  check(processor.outline(width, height * scale));
  check(processor.outline(1 - width, height));
  const auto outline = processor.outline(width, height);
  check(outline);
  if (!small(settings) || (outline && count(*outline) > 1 << 20)) return;
  luthier::Image image;
  image.width = width;
  image.height = height;
  image.rgb.assign(std::size_t(width) * std::size_t(height) * 3, data[3]);
  const auto pixels = processor.process(image);
  if (pixels.ok() != outline.ok()) std::abort();
  if (pixels && (pixels->shape != outline->shape || pixels->grid != outline->grid ||
                 double(pixels->values.size()) != count(*outline)))
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const int width = data[0] + 1, height = data[1] + 1, scale = 1 << data[2] % 16;
  const std::string text(reinterpret_cast<const char*>(data) + 4, size - 4);
  auto settings = luthier::parse_json(text, "fuzz.json");
  if (!settings) return 0;
  luthier::PixelLimits limits;
  if (data[3] & 1) limits.max_pixels = std::int64_t{width} * height * scale;
  if (data[3] & 2) limits.min_pixels = scale;
  const auto processor = luthier::ImageProcessor::create(*settings, "fuzz.json", limits);
  if (!processor) {
    if (processor.error().sentence().empty()) std::abort();
    return 0;
  }
  try_processor(**processor, *settings, data);
  const luthier::ImageProcessor& several = (*processor)->among(2);
  if (&several != processor->get()) try_processor(several, *settings, data);
  return 0;
}
