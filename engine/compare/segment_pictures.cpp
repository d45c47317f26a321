// SPDX-License-Identifier: GPL-3.0-or-later
// Maps of probabilities as pictures.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/compare/segment.h"

namespace luthier {

namespace {

/// Told apart by people who do not see all colours, too (Okabe & Ito 2008).
constexpr std::array<std::array<double, 3>, 7> kPromptColours{{{230, 159, 0},
                                                               {86, 180, 233},
                                                               {0, 158, 115},
                                                               {240, 228, 66},
                                                               {0, 114, 178},
                                                               {213, 94, 0},
                                                               {204, 121, 167}}};
constexpr double kCovers = 0.6;  ///< how much of a pixel its prompt's colour is

std::uint8_t byte_of(double value) {
  return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
}

}  // namespace

double ProbabilityMap::mean() const {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value);
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

std::int64_t ProbabilityMap::pixels_above(double threshold) const {
  return std::count_if(values.begin(), values.end(),
                       [threshold](float value) { return static_cast<double>(value) > threshold; });
}

Image probability_picture(const ProbabilityMap& map) {
  Image image{map.width, map.height, {}};
  image.rgb.reserve(3 * map.values.size());
  for (const float value : map.values)
    image.rgb.insert(image.rgb.end(), 3, byte_of(255 * static_cast<double>(value)));
  return image;
}

Image overlay_picture(const Image& picture, const std::vector<ProbabilityMap>& maps,
                      double threshold) {
  Image image = picture;
  for (std::size_t pixel = 0; pixel < image.rgb.size() / 3; ++pixel) {
    std::uint8_t* at = image.rgb.data() + 3 * pixel;
    const double grey = 0.299 * at[0] + 0.587 * at[1] + 0.114 * at[2];
    std::size_t best = maps.size();
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const auto value = static_cast<double>(maps[i].values[pixel]);
      if (value > threshold && (best == maps.size() || value > maps[best].values[pixel])) best = i;
    }
    for (std::size_t channel = 0; channel < 3; ++channel) {
      double value = grey;
      if (best < maps.size()) {
        const double colour = kPromptColours[best % kPromptColours.size()][channel];
        value = (1 - kCovers) * grey + kCovers * colour;
      }
      at[channel] = byte_of(value);
    }
  }
  return image;
}

}  // namespace luthier
