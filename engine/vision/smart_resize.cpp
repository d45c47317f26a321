// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/vision/smart_resize.h"

#include <algorithm>
#include <cmath>

namespace luthier::detail {

namespace {

constexpr double kMaxProportion = 200;

}  // namespace

Result<Extent> smart_resize(Extent from, const SmartSize& size) {
  const std::int64_t width = from.width, height = from.height, factor = size.block;
  LUTHIER_CHECK(check_picture(width, height));
  if (!size.do_resize) {
    if (width % factor || height % factor)
      return input_error(
          "The picture of " + std::to_string(width) + " x " + std::to_string(height) +
              " pixels does not divide into blocks of " + std::to_string(factor) +
              ", and do_resize is off.",
          {}, "Resize it, or set do_resize to true in the picture processor's settings.");
    return from;
  }
  double w = static_cast<double>(width), h = static_cast<double>(height);
  const double block = static_cast<double>(factor);
  if (size.frames > 0 && (w < block || h < block)) {
    const double scale = std::max(block / h, block / w);
    w = std::floor(w * scale), h = std::floor(h * scale);
  }
  const std::int64_t frames = std::max<std::int64_t>(size.frames, 1);
  const std::int64_t patched = size.patched_frames ? size.patched_frames : frames;
  const double pixels = static_cast<double>(frames) * h * w;
  if (std::max(w, h) / std::min(w, h) > kMaxProportion)
    return input_error("The picture of " + std::to_string(width) + " x " + std::to_string(height) +
                           " pixels is more than 200 times as long as it is wide, which this "
                           "model's processor refuses.",
                       {}, "Crop it.");
  const auto blocks = [&](double count) { return static_cast<std::int64_t>(count) * factor; };
  Extent to{blocks(std::rint(w / block)),
            blocks(std::rint(h / block))};  // halves go to even, as Python rounds
  if (patched * to.width * to.height > size.range.most) {
    const double shrink = std::sqrt(pixels / static_cast<double>(size.range.most));
    to = {std::max(factor, blocks(std::floor(w / shrink / block))),
          std::max(factor, blocks(std::floor(h / shrink / block)))};
  } else if (patched * to.width * to.height < size.range.least) {
    const double grow = std::sqrt(static_cast<double>(size.range.least) / pixels);
    to = {blocks(std::ceil(w * grow / block)), blocks(std::ceil(h * grow / block))};
  }
  LUTHIER_CHECK(check_resized(from, to));
  return to;
}

}  // namespace luthier::detail
