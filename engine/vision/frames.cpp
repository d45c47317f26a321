// SPDX-License-Identifier: GPL-3.0-or-later
// Sizes, crops and normalization as transformers 5.17's Pillow backend computes them, with its
// rounding.
#include "engine/vision/frames.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace luthier::detail {

namespace {

std::string extent_text(Extent extent) {
  return std::to_string(extent.width) + " x " + std::to_string(extent.height);
}

Error too_much(Extent from, Extent to) {
  return input_error("The picture of " + extent_text(from) + " pixels would be resized to " +
                         extent_text(to) + ".",
                     {}, "It is too narrow or too large for this model: crop it.");
}

}  // namespace

Status check_picture(std::int64_t width, std::int64_t height) {
  if (width <= 0 || height <= 0) return input_error("The picture has no pixels.");
  if (width > kMaxPictureEdge || height > kMaxPictureEdge)
    return input_error("The picture is " + extent_text({width, height}) +
                           " pixels; an edge may have " + std::to_string(kMaxPictureEdge) +
                           " at most.",
                       {}, "Crop it.");
  return {};
}

Status check_resized(Extent from, Extent to) {
  const bool fits = to.width >= 1 && to.height >= 1 && to.width <= kMaxPictureEdge &&
                    to.height <= kMaxPictureEdge;
  if (!fits || to.width * to.height > kMaxResized) return too_much(from, to);
  return {};
}

Status check_patches(std::int64_t patches, std::int64_t length) {
  if (patches <= kMaxValues / length) return {};
  return input_error("The picture would become " + std::to_string(patches) + " patches.", {},
                     "That is more than this program takes for one picture: make it smaller.");
}

Result<PixelValues> stacked(std::int64_t count, Extent frame, std::vector<std::int64_t> grid) {
  if (count > kMaxTiles || frame.width * frame.height > kMaxValues / 3 / count)
    return input_error("The picture would become " + std::to_string(count) + " tiles of " +
                           extent_text(frame) + " pixels.",
                       {},
                       "That is more than this program takes for one picture: make the picture "
                       "processor's sizes smaller.");
  return PixelValues{{}, {count, 3, frame.height, frame.width}, std::move(grid)};
}

Extent resized_extent(const Size& size, Extent from) {
  const double short_edge = static_cast<double>(std::min(from.width, from.height)),
               long_edge = static_cast<double>(std::max(from.width, from.height));
  const auto oriented = [&](std::int64_t shorter, std::int64_t longer) {
    return from.width <= from.height ? Extent{shorter, longer} : Extent{longer, shorter};
  };
  if (size.shortest_edge && size.longest_edge) {
    double exact = static_cast<double>(size.shortest_edge);
    std::int64_t shorter = size.shortest_edge;
    if (long_edge / short_edge * exact > static_cast<double>(size.longest_edge)) {
      exact = static_cast<double>(size.longest_edge) * short_edge / long_edge;
      shorter = static_cast<std::int64_t>(std::rint(exact));
    }
    if (std::min(from.width, from.height) == shorter) return from;
    const std::int64_t longer = static_cast<std::int64_t>(exact * long_edge / short_edge);
    return from.width == from.height ? Extent{longer, shorter} : oriented(shorter, longer);
  }
  if (size.shortest_edge)  // a product of integers first, as Python has it
    return oriented(size.shortest_edge, static_cast<std::int64_t>(
                                            static_cast<double>(size.shortest_edge *
                                                                std::max(from.width, from.height)) /
                                            short_edge));
  if (size.max_height && size.max_width) {
    const double scale =
        std::min(static_cast<double>(size.max_height) / static_cast<double>(from.height),
                 static_cast<double>(size.max_width) / static_cast<double>(from.width));
    return {static_cast<std::int64_t>(static_cast<double>(from.width) * scale),
            static_cast<std::int64_t>(static_cast<double>(from.height) * scale)};
  }
  return {size.width, size.height};
}

Image resize_to(const Image& image, Extent to, Resample filter) {
  return resize(image, static_cast<int>(to.width), static_cast<int>(to.height), filter);
}

Image cut(const Image& image, const Region& region) {
  return resize_region(image, image.width, image.height, Resample::Nearest, region);
}

Image centred(const Image& image, Extent canvas, const std::array<std::uint8_t, 3>& color) {
  Image out;
  out.width = static_cast<int>(canvas.width);
  out.height = static_cast<int>(canvas.height);
  out.rgb.resize(std::size_t(out.width) * std::size_t(out.height) * 3);
  for (std::size_t i = 0; i < out.rgb.size(); i += 3)
    std::memcpy(out.rgb.data() + i, color.data(), 3);
  const int left = (out.width - image.width) / 2, top = (out.height - image.height) / 2;
  for (int y = 0; y < image.height; ++y)
    std::memcpy(
        out.rgb.data() + (std::size_t(top + y) * std::size_t(out.width) + std::size_t(left)) * 3,
        image.rgb.data() + std::size_t(y) * std::size_t(image.width) * 3,
        std::size_t(image.width) * 3);
  return out;
}

Status check_squared(Extent from) {
  if (std::max(from.width, from.height) <= kMaxEdge) return {};
  return input_error("The picture of " + std::to_string(from.width) + " x " +
                         std::to_string(from.height) +
                         " pixels would be padded to a square of its longer edge.",
                     {}, "Make it smaller, or crop it.");
}

Image squared(const Image& image, const std::array<double, 3>& mean) {
  const std::int64_t edge = std::max(image.width, image.height);
  std::array<std::uint8_t, 3> color;
  for (std::size_t c = 0; c < 3; ++c)
    color[c] = static_cast<std::uint8_t>(static_cast<std::int64_t>(mean[c] * 255));
  return centred(image, {edge, edge}, color);
}

Result<Framing::Plan> Framing::plan(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  Plan plan;
  plan.target = plan.result = do_resize ? resized_extent(size, from) : from;
  // the target itself may be longer than what is kept of it
  if (plan.target.width < 1 || plan.target.height < 1 || plan.target.width > kMaxResized ||
      plan.target.height > kMaxResized)
    return too_much(from, plan.target);
  plan.region = {0, 0, static_cast<int>(plan.target.width), static_cast<int>(plan.target.height)};
  if (do_center_crop) {
    const auto narrow = [this](int& start, int& length, std::int64_t kept) {
      if (length <= kept) return;
      const int rest = length - static_cast<int>(kept);
      start = half_to_even ? static_cast<int>(std::nearbyint(rest / 2.0)) : rest / 2;
      length = static_cast<int>(kept);
    };
    narrow(plan.region.left, plan.region.width, crop.width);
    narrow(plan.region.top, plan.region.height, crop.height);
    plan.result = crop;
  }
  if (!check_resized(from, {plan.region.width, plan.region.height}))
    return too_much(from, plan.target);
  return plan;
}

Result<Extent> Framing::extent(Extent from) const {
  LUTHIER_TRY(const Plan planned, plan(from));
  return planned.result;
}

Result<Image> Framing::apply(const Image& image) const {
  LUTHIER_TRY(const Plan planned, plan({image.width, image.height}));
  Image view = resize_region(image, static_cast<int>(planned.target.width),
                             static_cast<int>(planned.target.height), resample, planned.region);
  if (Extent{view.width, view.height} == planned.result) return view;
  return center_crop(view, static_cast<int>(crop.width), static_cast<int>(crop.height));
}

namespace {

float as_pillow(const CommonSettings& settings, std::size_t channel, int byte) {
  auto value = static_cast<float>(byte);
  if (settings.do_rescale)
    value = static_cast<float>(static_cast<double>(byte) * settings.rescale_factor);
  if (settings.do_normalize)
    value = (value - static_cast<float>(settings.mean[channel])) /
            static_cast<float>(settings.std[channel]);
  return value;
}

float as_torchvision(const CommonSettings& settings, std::size_t channel, int byte) {
  const auto value = static_cast<float>(byte);
  auto mean = static_cast<float>(settings.mean[channel]);
  auto deviation = static_cast<float>(settings.std[channel]);
  if (settings.do_rescale && settings.do_normalize) {
    const auto unscaled = static_cast<float>(1.0 / settings.rescale_factor);
    mean *= unscaled, deviation *= unscaled;
  }
  if (settings.do_normalize) return (value - mean) / deviation;
  return settings.do_rescale ? value * static_cast<float>(settings.rescale_factor) : value;
}

}  // namespace

ByteTable::ByteTable(const CommonSettings& settings, Backend backend) {
  const auto number = backend == Backend::Pillow ? as_pillow : as_torchvision;
  for (std::size_t channel = 0; channel < 3; ++channel)
    for (int byte = 0; byte < 256; ++byte)
      values_[channel][static_cast<std::size_t>(byte)] = number(settings, channel, byte);
}

void ByteTable::write(const Image& image, const Region& region, float* out, std::size_t row_stride,
                      std::size_t channel_stride) const {
  const std::size_t width = std::size_t(region.width);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const auto& table = values_[channel];
    for (int y = 0; y < region.height; ++y) {
      const std::uint8_t* from =
          image.rgb.data() +
          (std::size_t(region.top + y) * std::size_t(image.width) + std::size_t(region.left)) * 3 +
          channel;
      float* to = out + channel * channel_stride + std::size_t(y) * row_stride;
      for (std::size_t x = 0; x < width; ++x) to[x] = table[from[3 * x]];
    }
  }
}

void ByteTable::write(const Image& image, const Region& region, float* out) const {
  write(image, region, out, std::size_t(region.width),
        std::size_t(region.width) * std::size_t(region.height));
}

}  // namespace luthier::detail
