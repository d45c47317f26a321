// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/vision/shown_pixels.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace luthier {

namespace {

constexpr int kProbeEdge = 256;
constexpr std::int64_t kLargestFrame = 64 << 20;  ///< numbers

Image plain_picture(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  Image image{kProbeEdge, kProbeEdge, {}};
  for (int i = 0; i < kProbeEdge * kProbeEdge; ++i)
    image.rgb.insert(image.rgb.end(), {red, green, blue});
  return image;
}

/// From black on the left to white on the right.
Image ramp_picture() {
  Image image{kProbeEdge, kProbeEdge, {}};
  for (int y = 0; y < kProbeEdge; ++y)
    for (int x = 0; x < kProbeEdge; ++x)
      image.rgb.insert(image.rgb.end(), 3, static_cast<std::uint8_t>(x));
  return image;
}

Error not_drawn() {
  return input_error("This family's pixels lie in an order of its own, which is not drawn.");
}

/// Where a layout's numbers of one frame lie.
struct PixelLayout {
  bool patches = false;  ///< [patches, numbers]; else [frames, 3, height, width]
  bool channels_last = false;
  std::int64_t times = 1, side = 0;  ///< of a patch
  std::int64_t block = 1;            ///< patches of so many rows and columns lie together
  std::array<float, 3> black{}, white{};
};

/// A middle number of each channel.
Result<std::array<float, 3>> channel_values(const PixelLayout& layout, const PixelValues& pixels) {
  std::array<float, 3> values{};
  const std::int64_t numbers = pixels.shape.back();
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    std::int64_t at = 0;
    if (!layout.patches) {
      const std::int64_t area = pixels.shape[2] * pixels.shape[3];
      at = channel * area + pixels.shape[2] / 2 * pixels.shape[3] + pixels.shape[3] / 2;
    } else {
      at = layout.channels_last ? channel : channel * numbers / 3;
    }
    if (at >= static_cast<std::int64_t>(pixels.values.size())) return not_drawn();
    values[static_cast<std::size_t>(channel)] = pixels.values[static_cast<std::size_t>(at)];
  }
  return values;
}

Status find_patch_layout(const ImageProcessor& processor, PixelLayout& layout) {
  LUTHIER_TRY(const PixelValues black, processor.process(plain_picture(0, 0, 0)));
  LUTHIER_TRY(const PixelValues red, processor.process(plain_picture(255, 0, 0)));
  LUTHIER_TRY(const PixelValues ramp, processor.process(ramp_picture()));
  const std::int64_t numbers = black.shape[1];
  if (numbers % 3 != 0 || red.values.size() != black.values.size() || ramp.grid.size() != 3)
    return not_drawn();
  const auto reddens = [&](std::int64_t at) {
    const auto i = static_cast<std::size_t>(at);
    return std::fabs(red.values[i] - black.values[i]) > 1e-4F;
  };
  layout.channels_last = numbers > 3 && !reddens(1) && reddens(3);
  if (!reddens(0) || (!layout.channels_last && !reddens(1))) return not_drawn();
  const std::int64_t plane = numbers / 3;
  layout.side = std::llround(std::sqrt(static_cast<double>(plane)));
  if (layout.side * layout.side != plane) {  // two frames of a film in one patch
    layout.times = 2;
    layout.side = std::llround(std::sqrt(static_cast<double>(plane) / 2));
  }
  if (layout.times * layout.side * layout.side != plane || layout.side < 1) return not_drawn();
  // Along a row of patches the ramp rises; where it falls back, the next row of the block begins.
  const auto first = [&](std::int64_t patch) {
    return ramp.values[static_cast<std::size_t>(patch * numbers)];
  };
  std::int64_t rises = 1;
  while (rises < ramp.grid[2] && first(rises) > first(rises - 1)) ++rises;
  layout.block = rises == ramp.grid[2] ? 1 : rises;
  return {};
}

Result<PixelLayout> find_layout(const PixelValues& pixels, const ImageProcessor& processor) {
  PixelLayout layout;
  layout.patches = pixels.shape.size() == 2;
  const bool frames = pixels.shape.size() == 4 && pixels.shape[1] == 3;
  if (!layout.patches && !frames) return not_drawn();
  if (layout.patches) {
    if (pixels.grid.size() != 3 ||
        pixels.grid[0] * pixels.grid[1] * pixels.grid[2] != pixels.shape[0])
      return not_drawn();
    LUTHIER_CHECK(find_patch_layout(processor, layout));
    if (pixels.shape[1] != 3 * layout.times * layout.side * layout.side ||
        pixels.grid[1] % layout.block != 0 || pixels.grid[2] % layout.block != 0)
      return not_drawn();
  }
  LUTHIER_TRY(const PixelValues black, processor.process(plain_picture(0, 0, 0)));
  LUTHIER_TRY(const PixelValues white, processor.process(plain_picture(255, 255, 255)));
  LUTHIER_TRY(layout.black, channel_values(layout, black));
  LUTHIER_TRY(layout.white, channel_values(layout, white));
  for (std::size_t c = 0; c < 3; ++c)
    if (!(std::fabs(layout.white[c] - layout.black[c]) > 1e-6F)) return not_drawn();
  return layout;
}

class FramePainter {
 public:
  FramePainter(const PixelLayout& layout, const PixelValues& pixels)
      : layout_(layout), pixels_(pixels) {}

  ShownFrame frame(std::int64_t index) const {
    ShownFrame made;
    made.patch = static_cast<int>(layout_.patches ? layout_.side : 0);
    made.height =
        static_cast<int>(layout_.patches ? pixels_.grid[1] * layout_.side : pixels_.shape[2]);
    made.width =
        static_cast<int>(layout_.patches ? pixels_.grid[2] * layout_.side : pixels_.shape[3]);
    made.rgb.reserve(static_cast<std::size_t>(made.width) * static_cast<std::size_t>(made.height) *
                     3);
    for (std::int64_t y = 0; y < made.height; ++y)
      for (std::int64_t x = 0; x < made.width; ++x)
        for (std::int64_t channel = 0; channel < 3; ++channel)
          made.rgb.push_back(colour(place(index, y, x, channel), channel));
    return made;
  }

 private:
  std::int64_t place(std::int64_t frame, std::int64_t y, std::int64_t x,
                     std::int64_t channel) const {
    if (!layout_.patches) {
      const std::int64_t high = pixels_.shape[2], wide = pixels_.shape[3];
      return ((frame * 3 + channel) * high + y) * wide + x;
    }
    const std::int64_t side = layout_.side, block = layout_.block, columns = pixels_.grid[2];
    const std::int64_t row = y / side, column = x / side;
    const std::int64_t blocks = (row / block) * (columns / block) + column / block;
    const std::int64_t patch = frame * pixels_.grid[1] * columns + blocks * block * block +
                               row % block * block + column % block;
    const std::int64_t in = y % side * side + x % side;
    const std::int64_t numbers = pixels_.shape[1];
    return patch * numbers +
           (layout_.channels_last ? in * 3 + channel : channel * (numbers / 3) + in);
  }

  std::uint8_t colour(std::int64_t at, std::int64_t channel) const {
    const auto c = static_cast<std::size_t>(channel);
    const float share = (pixels_.values[static_cast<std::size_t>(at)] - layout_.black[c]) /
                        (layout_.white[c] - layout_.black[c]);
    return static_cast<std::uint8_t>(std::lround(std::clamp(share, 0.0F, 1.0F) * 255));
  }

  const PixelLayout& layout_;
  const PixelValues& pixels_;
};

}  // namespace

Result<std::vector<ShownFrame>> shown_frames(const PixelValues& pixels,
                                             const ImageProcessor& processor, std::size_t most) {
  LUTHIER_TRY(const PixelLayout layout, find_layout(pixels, processor));
  std::int64_t numbers = 1;
  for (const std::int64_t size : pixels.shape) numbers *= size;
  if (numbers != static_cast<std::int64_t>(pixels.values.size()) || numbers > kLargestFrame * 4)
    return not_drawn();
  const std::int64_t frames = layout.patches ? pixels.grid[0] : pixels.shape[0];
  std::vector<ShownFrame> shown;
  for (std::int64_t i = 0; i < std::min(frames, static_cast<std::int64_t>(most)); ++i)
    shown.push_back(FramePainter(layout, pixels).frame(i));
  return shown;
}

}  // namespace luthier
