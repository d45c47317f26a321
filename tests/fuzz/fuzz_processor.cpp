// SPDX-License-Identifier: GPL-3.0-or-later
// A picture processor's settings from anywhere, after four bytes that say how large the pictures
// are: refused with a sentence, or outlines of any picture within the bounds, and values just as
// the outline says. Settings with large numbers are outlined only: they are slow. So are a video
// processor's, whose films are as long as the bytes say.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/json.h"
#include "engine/vision/film_processor.h"
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

/// Frames of one colour.
class PlainFilm : public luthier::FilmSource {
 public:
  PlainFilm(const luthier::FilmLength& length, luthier::Image frame)
      : length_(length), frame_(std::move(frame)) {}
  luthier::FilmLength length() const override { return length_; }
  luthier::Result<luthier::ImageSize> size(const std::vector<std::int64_t>&) const override {
    return luthier::ImageSize{frame_.width, frame_.height};
  }
  luthier::Status each(const std::vector<std::int64_t>& indices, const Take& take) const override {
    for (const std::int64_t index : indices) {
      if (index < 0 || index >= length_.frames) std::abort();
      LUTHIER_CHECK(take(frame_));
    }
    return {};
  }

 private:
  luthier::FilmLength length_;
  luthier::Image frame_;
};

void try_film(const luthier::Json& settings, const std::uint8_t* data) {
  luthier::FilmLimits limits;
  if (data[3] & 1) limits.fps = data[2];
  if (data[3] & 2) limits.max_frames = data[2];
  const auto processor = luthier::FilmProcessor::create(settings, "fuzz.json", limits);
  if (!processor) {
    if (processor.error().sentence().empty()) std::abort();
    return;
  }
  const int width = data[0] % 64 + 1, height = data[1] % 64 + 1;
  const std::int64_t scale = std::int64_t{1} << (data[3] >> 2) % 48;
  luthier::FilmLength length{data[2] * scale, {}};
  if (data[3] & 4) length.fps = data[1];
  const auto indices = luthier::choose_frames(length, (*processor)->choice());
  if (!indices) {
    if (indices.error().sentence().empty()) std::abort();
    return;
  }
  const auto frames = static_cast<std::int64_t>(indices->size());
  const auto outline = (*processor)->outline({width, height}, frames);
  check(outline);
  if (!small(settings) || (outline && count(*outline) > 1 << 20)) return;
  luthier::Image frame{width, height, {}};
  frame.rgb.assign(std::size_t(width) * std::size_t(height) * 3, data[3]);
  const auto pixels = (*processor)->process(PlainFilm(length, std::move(frame)), *indices);
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
  if (settings->is_object() && settings->contains("video_processor_type")) {
    try_film(*settings, data);
    return 0;
  }
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
