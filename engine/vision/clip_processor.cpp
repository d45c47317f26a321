// SPDX-License-Identifier: GPL-3.0-or-later
// The processors that give one picture of one size: CLIP's, SigLIP's and LLaVA's own, which differ in their defaults only. Steps and
// arithmetic are those of transformers 5.17's Pillow backend: (pad to a square), resize, centre crop, value * rescale_factor in double
// rounded to float, (value - mean) / std in float, (zeros to pad_size). A byte has 256 values, so the arithmetic is a table.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

constexpr std::int64_t kMaxEdge = 16384;  // no tower takes more; a hostile configuration could ask for any memory

/// The forms transformers' `size` takes; 0 where a key is absent.
struct Size {
  std::int64_t height = 0, width = 0, shortest_edge = 0, longest_edge = 0, max_height = 0, max_width = 0;
};

struct Extent {
  std::int64_t width = 0, height = 0;
};

struct Options {
  bool do_resize = true, do_center_crop = false, do_rescale = true, do_normalize = true, do_pad = false;
  bool pad_is_square = false;  // LLaVA's own: a square in the mean colour, before the resize
  Size size;
  Extent crop, pad;
  Resample resample = Resample::Bicubic;
  double rescale_factor = 1.0 / 255;
  std::array<double, 3> mean{}, std{};
};

constexpr std::array<double, 3> kClipMean{0.48145466, 0.4578275, 0.40821073}, kClipStd{0.26862954, 0.26130258, 0.27577711};

Options clip_defaults() {
  Options options;
  options.do_center_crop = true;
  options.size.shortest_edge = 224;
  options.crop = {224, 224};
  options.mean = kClipMean;
  options.std = kClipStd;
  return options;
}

Options siglip_defaults() {
  Options options;
  options.size.height = options.size.width = 224;
  options.mean = options.std = {0.5, 0.5, 0.5};
  return options;
}

class FixedSizeProcessor : public ImageProcessor {
 public:
  explicit FixedSizeProcessor(const Options& options) : options_(options) {
    for (std::size_t channel = 0; channel < 3; ++channel)
      for (int byte = 0; byte < 256; ++byte) {
        float value = static_cast<float>(byte);
        if (options_.do_rescale) value = static_cast<float>(static_cast<double>(byte) * options_.rescale_factor);
        if (options_.do_normalize) value = (value - static_cast<float>(options_.mean[channel])) / static_cast<float>(options_.std[channel]);
        values_[channel][static_cast<std::size_t>(byte)] = value;
      }
  }

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  Extent padded(Extent extent) const {
    const std::int64_t edge = std::max(extent.width, extent.height);
    return options_.do_pad && options_.pad_is_square ? Extent{edge, edge} : extent;
  }
  Extent resized(Extent extent) const;
  Image square(const Image& image) const;

  Options options_;
  std::array<std::array<float, 256>, 3> values_{};
};

Extent FixedSizeProcessor::resized(Extent from) const {
  if (!options_.do_resize) return from;
  const Size& size = options_.size;
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
    return oriented(size.shortest_edge,
                    static_cast<std::int64_t>(static_cast<double>(size.shortest_edge * std::max(from.width, from.height)) / short_edge));
  if (size.max_height && size.max_width) {
    const double scale = std::min(static_cast<double>(size.max_height) / static_cast<double>(from.height),
                                  static_cast<double>(size.max_width) / static_cast<double>(from.width));
    return {static_cast<std::int64_t>(static_cast<double>(from.width) * scale),
            static_cast<std::int64_t>(static_cast<double>(from.height) * scale)};
  }
  return {size.width, size.height};
}

Result<PixelValues> FixedSizeProcessor::outline(int width, int height) const {
  Extent extent = resized(padded({width, height}));
  if (options_.do_center_crop) extent = options_.crop;
  if (options_.do_pad && !options_.pad_is_square && options_.pad.width) extent = options_.pad;
  return PixelValues{{}, {1, 3, extent.height, extent.width}, {}};
}

Image FixedSizeProcessor::square(const Image& image) const {
  if (image.width == image.height) return image;
  Image out;
  out.width = out.height = std::max(image.width, image.height);
  out.rgb.resize(std::size_t(out.width) * std::size_t(out.height) * 3);
  std::uint8_t color[3];
  // Python's int(), then a byte of it
  for (std::size_t c = 0; c < 3; ++c) color[c] = static_cast<std::uint8_t>(static_cast<std::int64_t>(options_.mean[c] * 255));
  for (std::size_t i = 0; i < out.rgb.size(); i += 3) std::memcpy(out.rgb.data() + i, color, 3);
  const int left = (out.width - image.width) / 2, top = (out.height - image.height) / 2;
  for (int y = 0; y < image.height; ++y)
    std::memcpy(out.rgb.data() + (std::size_t(top + y) * std::size_t(out.width) + std::size_t(left)) * 3,
                image.rgb.data() + std::size_t(y) * std::size_t(image.width) * 3, std::size_t(image.width) * 3);
  return out;
}

Result<PixelValues> FixedSizeProcessor::process(const Image& image) const {
  if (image.width <= 0 || image.height <= 0) return input_error("The picture has no pixels.");
  const bool make_square = options_.do_pad && options_.pad_is_square && image.width != image.height;
  const Image squared = make_square ? square(image) : Image{};
  const Image& source = make_square ? squared : image;

  const Extent target = resized({source.width, source.height});
  constexpr std::int64_t kMaxResized = 1 << 26;
  if (target.width < 1 || target.height < 1 || target.width > kMaxResized || target.height > kMaxResized)
    return input_error("The picture of " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                           " pixels would be resized to " + std::to_string(target.width) + " x " + std::to_string(target.height) + ".",
                       {}, "It is too narrow for this model: crop it.");
  // A crop that lies inside the resized picture decides what has to be resized at all.
  Region region{0, 0, static_cast<int>(target.width), static_cast<int>(target.height)};
  if (options_.do_center_crop) {
    const auto narrow = [](int& start, int& length, std::int64_t crop) {
      if (length <= crop) return;
      start = (length - static_cast<int>(crop)) / 2;
      length = static_cast<int>(crop);
    };
    narrow(region.left, region.width, options_.crop.width);
    narrow(region.top, region.height, options_.crop.height);
  }
  constexpr int kMaxRegionEdge = 1 << 20;  // the filters' weights are kept for each row and column
  if (region.width > kMaxRegionEdge || region.height > kMaxRegionEdge ||
      static_cast<std::int64_t>(region.width) * region.height > kMaxResized)
    return input_error("The picture of " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                           " pixels would be resized to " + std::to_string(target.width) + " x " + std::to_string(target.height) +
                           " pixels.",
                       {}, "It is too narrow for this model: crop it.");
  Image view = resize_region(source, static_cast<int>(target.width), static_cast<int>(target.height), options_.resample, region);
  if (options_.do_center_crop && (view.width != options_.crop.width || view.height != options_.crop.height))
    view = center_crop(view, static_cast<int>(options_.crop.width), static_cast<int>(options_.crop.height));

  const std::size_t width = std::size_t(view.width), height = std::size_t(view.height);
  std::size_t out_width = width, out_height = height;
  if (options_.do_pad && !options_.pad_is_square && options_.pad.width) {
    out_width = static_cast<std::size_t>(options_.pad.width);
    out_height = static_cast<std::size_t>(options_.pad.height);
    if (out_width < width || out_height < height)
      return input_error("The picture is " + std::to_string(width) + " x " + std::to_string(height) +
                         " after resizing, larger than pad_size.");
  }
  PixelValues pixels;
  pixels.shape = {1, 3, static_cast<std::int64_t>(out_height), static_cast<std::int64_t>(out_width)};
  pixels.values.assign(3 * out_height * out_width, 0.0f);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const auto& table = values_[channel];
    for (std::size_t y = 0; y < height; ++y) {
      const std::uint8_t* from = view.rgb.data() + y * width * 3 + channel;
      float* to = pixels.values.data() + (channel * out_height + y) * out_width;
      for (std::size_t x = 0; x < width; ++x) to[x] = table[from[3 * x]];
    }
  }
  return pixels;
}

// ---- reading the configuration

bool present(const Json& config, const std::string& key) { return config.contains(key) && !config[key].is_null(); }

Result<std::int64_t> edge(const Json& value, const std::string& where) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 1 || value.get<std::int64_t>() > kMaxEdge)
    return input_error("A picture size must be a whole number from 1 to " + std::to_string(kMaxEdge) + ", not " + value.dump() + ".",
                       where);
  return value.get<std::int64_t>();
}

// A number (an edge, or a square), a pair [height, width], or an object of named edges.
Result<Size> read_size(const Json& value, bool number_is_square, const std::string& where) {
  Size size;
  if (value.is_number()) {
    LUTHIER_TRY(const std::int64_t number, edge(value, where));
    if (number_is_square)
      size.height = size.width = number;
    else
      size.shortest_edge = number;
    return size;
  }
  if (value.is_array() && value.size() == 2) {
    LUTHIER_TRY(size.height, edge(value[0], where));
    LUTHIER_TRY(size.width, edge(value[1], where));
    return size;
  }
  if (!value.is_object()) return input_error("A picture size must be a number, a pair or an object, not " + value.dump() + ".", where);
  const std::pair<const char*, std::int64_t Size::*> keys[] = {{"height", &Size::height},
                                                               {"width", &Size::width},
                                                               {"shortest_edge", &Size::shortest_edge},
                                                               {"longest_edge", &Size::longest_edge},
                                                               {"max_height", &Size::max_height},
                                                               {"max_width", &Size::max_width}};
  for (const auto& [name, member] : keys)
    if (present(value, name)) {
      LUTHIER_TRY(size.*member, edge(value[name], where + "." + name));
    }
  return size;
}

Result<Extent> read_extent(const Json& value, const std::string& where) {
  LUTHIER_TRY(const Size size, read_size(value, true, where));
  if (!size.height || !size.width) return input_error("This size needs height and width.", where);
  return Extent{size.width, size.height};
}

// A number for all three channels, or three numbers.
Status read_channels(const Json& config, const std::string& key, const std::string& where, std::array<double, 3>& values) {
  if (!present(config, key)) return {};
  const Json& value = config[key];
  if (value.is_number()) {
    values.fill(value.get<double>());
    return {};
  }
  if (!value.is_array() || value.size() != 3) return input_error("This must be a number or three numbers.", where + ": " + key);
  for (std::size_t i = 0; i < 3; ++i) {
    if (!value[i].is_number()) return input_error("This must be a number or three numbers.", where + ": " + key);
    values[i] = value[i].get<double>();
  }
  return {};
}

Status read_resample(const Json& config, const std::string& where, Resample& resample) {
  if (!present(config, "resample")) return {};
  LUTHIER_TRY(const std::int64_t number, json_int(config, "resample", where));
  if (number < 0 || number > 5) return input_error("The resampling filter must be one of Pillow's, 0 to 5.", where + ": resample");
  resample = static_cast<Resample>(number);
  return {};
}

Result<std::unique_ptr<ImageProcessor>> create_fixed(const Json& config, const std::string& where, const PixelLimits& limits,
                                                     Options options) {
  if (limits.min_pixels || limits.max_pixels)
    return input_error("This model's processor gives every picture one size, so it has no pixel limits to change.",
                       "image.min_pixels, image.max_pixels", "Leave both null.");
  LUTHIER_TRY(options.do_resize, json_bool(config, "do_resize", where, options.do_resize));
  LUTHIER_TRY(options.do_center_crop, json_bool(config, "do_center_crop", where, options.do_center_crop));
  LUTHIER_TRY(options.do_rescale, json_bool(config, "do_rescale", where, options.do_rescale));
  LUTHIER_TRY(options.do_normalize, json_bool(config, "do_normalize", where, options.do_normalize));
  LUTHIER_TRY(options.do_pad, json_bool(config, "do_pad", where, options.do_pad));
  LUTHIER_TRY(const bool number_is_square, json_bool(config, "default_to_square", where, false));
  LUTHIER_TRY(const bool use_square_size, json_bool(config, "use_square_size", where, false));
  const Size defaults = options.size;
  if (present(config, "size")) {
    LUTHIER_TRY(options.size, read_size(config["size"], number_is_square, where + ": size"));
  }
  if (use_square_size && defaults.shortest_edge)
    options.size = {defaults.shortest_edge, defaults.shortest_edge, 0, 0, 0, 0};  // KOSMOS-2's folders
  const Size& size = options.size;
  if (options.do_resize && !size.shortest_edge && !(size.height && size.width) && !(size.max_height && size.max_width))
    return input_error("The size must have shortest_edge, height and width, or max_height and max_width.", where + ": size");
  if (present(config, "crop_size")) {
    LUTHIER_TRY(options.crop, read_extent(config["crop_size"], where + ": crop_size"));
  }
  if (options.do_center_crop && !options.crop.width)
    return input_error("do_center_crop is on, but there is no crop_size.", where + ": crop_size");
  if (present(config, "pad_size")) {
    LUTHIER_TRY(options.pad, read_extent(config["pad_size"], where + ": pad_size"));
  }
  LUTHIER_TRY(options.rescale_factor, json_number(config, "rescale_factor", where, options.rescale_factor));
  LUTHIER_CHECK(read_resample(config, where, options.resample));
  LUTHIER_CHECK(read_channels(config, "image_mean", where, options.mean));
  LUTHIER_CHECK(read_channels(config, "image_std", where, options.std));
  for (const double value : options.std)
    if (options.do_normalize && !(std::fabs(value) > 0)) return input_error("image_std must not be zero.", where + ": image_std");
  return std::unique_ptr<ImageProcessor>(std::make_unique<FixedSizeProcessor>(options));
}

}  // namespace

Result<std::unique_ptr<ImageProcessor>> create_clip_processor(const Json& config, const std::string& where, const PixelLimits& limits) {
  return create_fixed(config, where, limits, clip_defaults());
}

Result<std::unique_ptr<ImageProcessor>> create_siglip_processor(const Json& config, const std::string& where, const PixelLimits& limits) {
  return create_fixed(config, where, limits, siglip_defaults());
}

Result<std::unique_ptr<ImageProcessor>> create_llava_processor(const Json& config, const std::string& where, const PixelLimits& limits) {
  Options options = clip_defaults();
  options.pad_is_square = true;
  return create_fixed(config, where, limits, options);
}

}  // namespace luthier::detail
