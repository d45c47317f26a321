// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/vision/picture_colours.h"

#include <cmath>

namespace luthier {

namespace {

/// The middle of what is made of a picture of one colour, whose edges may be filler: red, green,
/// blue. Not finite where it is laid otherwise.
Result<std::array<double, 3>> made_of(const ImageProcessor& processor, std::uint8_t byte) {
  constexpr int kSide = 64;
  Image image;
  image.width = image.height = kSide;
  image.rgb.assign(std::size_t{3} * kSide * kSide, byte);
  LUTHIER_TRY(const PixelValues made, processor.process(image));
  std::array<double, 3> values{NAN, NAN, NAN};
  if (made.shape.size() != 4 || made.shape[1] != 3) return values;
  const auto height = static_cast<std::size_t>(made.shape[2]),
             width = static_cast<std::size_t>(made.shape[3]);
  for (std::size_t channel = 0; channel < values.size(); ++channel)
    values[channel] = made.values.at((channel * height + height / 2) * width + width / 2);
  return values;
}

}  // namespace

Result<PictureColours> picture_colours(const ImageProcessor& processor) {
  LUTHIER_TRY(const auto black, made_of(processor, 0));
  LUTHIER_TRY(const auto white, made_of(processor, 255));
  PictureColours colours;
  for (std::size_t channel = 0; channel < black.size(); ++channel) {
    const double span = white[channel] - black[channel];
    if (!std::isfinite(span) || span == 0) return PictureColours();
    colours.mean[channel] = -black[channel] / span, colours.deviation[channel] = 1 / span;
  }
  return colours;
}

}  // namespace luthier
