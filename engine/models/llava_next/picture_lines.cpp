// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/llava_next/picture_lines.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "engine/vision/pinpoints.h"

namespace luthier {

using detail::Extent;

namespace {

/// int(round(value, 7)) of Python, which rounds the decimal expansion.
std::int64_t whole_part(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.7f", value);
  return static_cast<std::int64_t>(std::strtod(text, nullptr));
}

/// int(value // divisor) of Python for positive numbers: the remainder is exact, the quotient of
/// what it leaves is rounded to a whole number. At least one line or column stays, where
/// transformers fails.
std::int64_t whole_times(std::int64_t value, double divisor) {
  const auto whole = static_cast<double>(value);
  return std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::rint((whole - std::fmod(whole, divisor)) / divisor)));
}

}  // namespace

Unpadded unpad(Extent picture, std::int64_t rows, std::int64_t columns) {
  const auto height = static_cast<double>(picture.height),
             width = static_cast<double>(picture.width);
  const auto down = static_cast<double>(rows), across = static_cast<double>(columns);
  Unpadded u{rows, columns, 0, 0};
  if (width / height > across / down) {
    u.top = (rows - whole_part(height * (across / width))) / 2;
    u.rows -= 2 * u.top;
  } else {
    u.left = (columns - whole_part(width * (down / height))) / 2;
    u.columns -= 2 * u.left;
  }
  return u;
}

PictureLines picture_lines(const PictureCut& cut, std::int64_t frames,
                           const std::vector<std::int64_t>& height_width) {
  PictureLines lines;
  lines.side = cut.side;
  lines.base = cut.side * cut.side;
  if (cut.most_tiles > 0 && frames == 1) return lines;
  const Extent picture{height_width.at(1), height_width.at(0)};
  const Extent canvas = detail::best_resolution(cut.pinpoints, picture);
  lines.down = canvas.height / cut.tile, lines.across = canvas.width / cut.tile;
  lines.kept = unpad(picture, cut.side * lines.down, cut.side * lines.across);
  lines.rows = lines.kept.rows, lines.columns = lines.kept.columns;
  if (cut.most_tiles == 0) return lines;
  const double ratio = std::sqrt(static_cast<double>(lines.rows * lines.columns) /
                                 static_cast<double>(cut.most_tiles * lines.base));
  if (ratio > 1.1) {
    lines.rows = whole_times(lines.rows, ratio);
    lines.columns = whole_times(lines.columns, ratio);
  }
  return lines;
}

std::int64_t film_side(const PictureCut& cut) { return (cut.side + 1) / 2; }

std::int64_t film_tokens(const PictureCut& cut, std::int64_t frames) {
  return frames * film_side(cut) * film_side(cut) + 1;
}

std::vector<Between> betweens(std::int64_t in, std::int64_t out) {
  std::vector<Between> places;
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (std::int64_t i = 0; i < out; ++i) {
    const float at = std::max(0.0F, scale * (static_cast<float>(i) + 0.5F) - 0.5F);
    Between place;
    place.first = std::min(static_cast<std::int64_t>(at), in - 1);
    place.second = std::min(place.first + 1, in - 1);
    place.share = std::clamp(at - static_cast<float>(place.first), 0.0F, 1.0F);
    places.push_back(place);
  }
  return places;
}

}  // namespace luthier
