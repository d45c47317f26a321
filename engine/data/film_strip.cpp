// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/film_strip.h"

#include <algorithm>

namespace luthier {

namespace {

constexpr int kGap = 2;

/// Black between them and, were they of several heights, below.
Image side_by_side(const std::vector<Image>& frames) {
  Image strip{-kGap, 0, {}};
  for (const Image& frame : frames) {
    strip.width += frame.width + kGap;
    strip.height = std::max(strip.height, frame.height);
  }
  strip.rgb.resize(3 * static_cast<std::size_t>(strip.width) *
                   static_cast<std::size_t>(strip.height));
  std::size_t left = 0;
  for (const Image& frame : frames) {
    const auto row = 3 * static_cast<std::ptrdiff_t>(frame.width);
    for (int y = 0; y < frame.height; ++y)
      std::copy_n(frame.rgb.begin() + y * row, row,
                  strip.rgb.begin() +
                      static_cast<std::ptrdiff_t>(
                          3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(strip.width) +
                               left)));
    left += static_cast<std::size_t>(frame.width + kGap);
  }
  return strip;
}

}  // namespace

Result<Image> film_strip(const RowFilm& film, std::int64_t most, int edge) {
  LUTHIER_TRY(const auto source, open_film(film));
  const std::int64_t frames = source->length().frames, shown = std::min(most, frames);
  if (shown < 1) return input_error("The film has no frames.", film_name(film));
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < shown; ++i)
    indices.push_back(shown == 1 ? 0 : i * (frames - 1) / (shown - 1));
  std::vector<Image> small;
  LUTHIER_CHECK(source->each(indices, [&](const Image& frame) -> Status {
    small.push_back(thumbnail(frame, edge));
    return {};
  }));
  if (small.empty()) return input_error("The film has no frames.", film_name(film));
  return side_by_side(small);
}

}  // namespace luthier
