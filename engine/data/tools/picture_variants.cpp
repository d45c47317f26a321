// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/picture_variants.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/base/random_stream.h"

namespace luthier {

namespace {
constexpr std::uint64_t kVariantStream = 0x7661'7269'616eull;
}  // namespace

Image picture_variant(const Image& image, const VariantRules& rules, std::uint64_t place) {
  RandomStream random(rules.seed, kVariantStream, place);
  const auto between = [&](double most) { return most * (2 * random.unit() - 1); };
  const double light = 255 * between(rules.brightness), spread = 1 + between(rules.contrast);
  std::array<std::uint8_t, 256> tones{};
  for (std::size_t i = 0; i < tones.size(); ++i)
    tones[i] = static_cast<std::uint8_t>(std::lround(
        std::clamp((static_cast<double>(i) - 127.5) * spread + 127.5 + light, 0., 255.)));
  const auto cut = [&](int edge) {
    return static_cast<int>(rules.crop * random.unit() * static_cast<double>(edge));
  };
  const int left = cut(image.width), right = cut(image.width), top = cut(image.height),
            bottom = cut(image.height);
  Image varied;
  varied.width = std::max(1, image.width - left - right);
  varied.height = std::max(1, image.height - top - bottom);
  varied.rgb.reserve(static_cast<std::size_t>(varied.width) *
                     static_cast<std::size_t>(varied.height) * 3);
  for (int y = 0; y < varied.height; ++y) {
    const std::size_t row =
        (static_cast<std::size_t>(top + y) * static_cast<std::size_t>(image.width) +
         static_cast<std::size_t>(left)) *
        3;
    for (std::size_t i = 0; i < static_cast<std::size_t>(varied.width) * 3; ++i)
      varied.rgb.push_back(tones[image.rgb[row + i]]);
  }
  return varied;
}

}  // namespace luthier
