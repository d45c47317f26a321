// SPDX-License-Identifier: GPL-3.0-or-later
// The processors that give one picture of one size: CLIP's, SigLIP's (PaliGemma has it too),
// BLIP's, Idefics', Chameleon's, LLaVA's own, ViT's and BiT's (DINOv2's), which differ in their
// defaults only, ConvNeXt's (ResNet's), which says by a share how much a crop leaves, and
// EfficientNet's, which may centre numbers around 0 and divides by the deviation once more. Steps
// are those of transformers 5.17's Pillow backend: (pad to a square), resize, centre crop, rescale
// and normalize, (zeros to pad_size).
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"
#include "engine/vision/shown_part.h"

namespace luthier::detail {

namespace {

struct FixedSizeOptions {
  CommonSettings common;
  bool do_center_crop = false, do_pad = false;
  bool pad_is_square = false;  // LLaVA's own: a square in the mean colour, before the resize
  Extent crop, pad;
  bool rescale_offset = false, include_top = false;  // EfficientNet's
  bool half_to_even = false;                         // timm's: how a crop's beginning is rounded
};

/// EfficientNet's numbers: less 1 where `rescale_offset`, and divided once more by the deviation.
ByteTable table_of(const FixedSizeOptions& o) {
  if (!o.rescale_offset && !o.include_top) return ByteTable(o.common);
  CommonSettings plain = o.common;
  plain.do_normalize = false;
  const ByteTable scaled(plain);
  std::array<std::array<float, 256>, 3> values{};
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const auto mean = static_cast<float>(o.common.mean[channel]),
               std = static_cast<float>(o.common.std[channel]);
    for (std::size_t byte = 0; byte < 256; ++byte) {
      float number = scaled.channel(channel)[byte];
      if (o.rescale_offset) number -= 1;
      if (o.common.do_normalize) number = (number - mean) / std;
      if (o.include_top) number = number / std;
      values[channel][byte] = number;
    }
  }
  return ByteTable(values);
}

FixedSizeOptions clip_defaults() {
  FixedSizeOptions options;
  options.do_center_crop = true;
  options.common.size.shortest_edge = 224;
  options.crop = {224, 224};
  options.common.mean = kClipMean;
  options.common.std = kClipStd;
  return options;
}

FixedSizeOptions siglip_defaults() {
  FixedSizeOptions options;
  options.common.size.height = options.common.size.width = 224;
  options.common.mean = options.common.std = kHalves;
  return options;
}

FixedSizeOptions blip_defaults() {
  FixedSizeOptions options;
  options.common.number_is_square = true;
  options.common.size.height = options.common.size.width = 384;
  options.common.mean = kClipMean;
  options.common.std = kClipStd;
  return options;
}

FixedSizeOptions vit_defaults() {
  FixedSizeOptions options = siglip_defaults();
  options.common.number_is_square = true;
  options.common.resample = Resample::Bilinear;
  return options;
}

FixedSizeOptions efficientnet_defaults() {
  FixedSizeOptions options = siglip_defaults();
  options.common.number_is_square = true;
  options.common.size.height = options.common.size.width = 346;
  options.crop = {289, 289};
  options.include_top = true;
  return options;
}

FixedSizeOptions convnext_defaults() {
  FixedSizeOptions options;
  options.common.size.shortest_edge = 384;
  options.common.mean = options.common.std = kHalves;
  return options;
}

class FixedSizeProcessor : public ImageProcessor, public ShowsPart {
 public:
  explicit FixedSizeProcessor(const FixedSizeOptions& options)
      : options_(options),
        framing_{options.common.do_resize, options.do_center_crop,
                 options.common.size,      options.crop,
                 options.common.resample,  options.half_to_even},
        table_(table_of(options)) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;
  Result<PicturePart> shown_part(int width, int height) const override;

 private:
  bool squares(int width, int height) const {
    return options_.do_pad && options_.pad_is_square && width != height;
  }

  FixedSizeOptions options_;
  Framing framing_;
  ByteTable table_;
};

Result<PixelValues> FixedSizeProcessor::outline(int width, int height) const {
  LUTHIER_CHECK(check_picture(width, height));
  Extent from{width, height};
  if (squares(width, height)) {
    LUTHIER_CHECK(check_squared(from));
    from.width = from.height = std::max(width, height);
  }
  LUTHIER_TRY(Extent extent, framing_.extent(from));
  if (options_.do_pad && !options_.pad_is_square && options_.pad.width) {
    if (options_.pad.width < extent.width || options_.pad.height < extent.height)
      return input_error("The picture is " + std::to_string(extent.width) + " x " +
                         std::to_string(extent.height) + " after resizing, larger than pad_size.");
    extent = options_.pad;
  }
  return stacked(1, extent, {});
}

Result<PixelValues> FixedSizeProcessor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const Image square =
      squares(image.width, image.height) ? squared(image, options_.common.mean) : Image{};
  LUTHIER_TRY(const Image view, framing_.apply(square.width ? square : image));
  const std::size_t height = static_cast<std::size_t>(pixels.shape[2]),
                    width = static_cast<std::size_t>(pixels.shape[3]);
  pixels.values.assign(3 * height * width, 0.0f);
  table_.write(view, {0, 0, view.width, view.height}, pixels.values.data(), width, height * width);
  return pixels;
}

Result<PicturePart> FixedSizeProcessor::shown_part(int width, int height) const {
  LUTHIER_TRY(const PixelValues pixels, outline(width, height));
  Extent from{width, height};
  if (squares(width, height)) from.width = from.height = std::max(width, height);
  const Extent target =
      options_.common.do_resize ? resized_extent(options_.common.size, from) : from;
  // What the frame shows of the resized picture, and that of the picture as it came.
  const auto along = [this](std::int64_t frame, std::int64_t resized, std::int64_t drawn,
                            std::int64_t own, bool centred) {
    const double scale = static_cast<double>(drawn) / static_cast<double>(resized);
    const double shown = static_cast<double>(frame) * scale;
    // A crop around the centre starts at a whole pixel of the resized picture.
    const double half = static_cast<double>(resized - frame) / 2;
    const double first = options_.half_to_even ? std::nearbyint(half) : std::floor(half);
    const double start = centred ? first * scale : 0;
    const double before = static_cast<double>((drawn - own) / 2);
    return std::pair((start - before) / static_cast<double>(own), shown / static_cast<double>(own));
  };
  const bool centred = options_.do_center_crop;
  const auto [left, wide] = along(pixels.shape[3], target.width, from.width, width, centred);
  const auto [top, high] = along(pixels.shape[2], target.height, from.height, height, centred);
  return PicturePart{left, top, wide, high};
}

MadeProcessor create_fixed(const Json& config, const std::string& where, const PixelLimits& limits,
                           FixedSizeOptions options) {
  LUTHIER_CHECK(refuse_limits(limits));
  const Size defaults = options.common.size;
  LUTHIER_CHECK(read_common(config, where, options.common));
  LUTHIER_CHECK(read_resize_size(config, where, options.common));
  LUTHIER_TRY(options.do_center_crop,
              json_bool(config, "do_center_crop", where, options.do_center_crop));
  LUTHIER_TRY(options.do_pad, json_bool(config, "do_pad", where, options.do_pad));
  if (options.include_top) {
    LUTHIER_TRY(options.include_top, json_bool(config, "include_top", where, true));
    LUTHIER_TRY(options.rescale_offset, json_bool(config, "rescale_offset", where, false));
  }
  LUTHIER_TRY(const bool use_square_size, json_bool(config, "use_square_size", where, false));
  if (use_square_size && defaults.shortest_edge)
    options.common.size = {
        defaults.shortest_edge, defaults.shortest_edge, 0, 0, 0, 0};  // KOSMOS-2's folders
  if (present(config, "crop_size")) {
    LUTHIER_TRY(options.crop, read_extent(config["crop_size"], where + ": crop_size"));
  }
  if (options.do_center_crop && !options.crop.width)
    return input_error("do_center_crop is on, but there is no crop_size.", where + ": crop_size");
  if (present(config, "pad_size")) {
    LUTHIER_TRY(options.pad, read_extent(config["pad_size"], where + ": pad_size"));
  }
  return std::unique_ptr<ImageProcessor>(std::make_unique<FixedSizeProcessor>(options));
}

/// Below 384 pixels the shorter edge is made longer by crop_pct and the middle taken; from there on
/// the picture is pressed into a square.
MadeProcessor create_convnext(const Json& config, const std::string& where,
                              const PixelLimits& limits) {
  FixedSizeOptions options = convnext_defaults();
  LUTHIER_CHECK(refuse_limits(limits));
  LUTHIER_CHECK(read_common(config, where, options.common));
  LUTHIER_CHECK(read_resize_size(config, where, options.common));
  LUTHIER_TRY(const bool crops, json_bool(config, "do_center_crop", where, false));
  LUTHIER_TRY(const bool pads, json_bool(config, "do_pad", where, false));
  if (crops || pads)
    return input_error("A second crop or padding is not one that Luthier makes here.",
                       where + (crops ? ": do_center_crop" : ": do_pad"), "Set it to false.");
  LUTHIER_TRY(const double share, json_number(config, "crop_pct", where, 224.0 / 256));
  if (!(share > 0.01) || share > 1)
    return input_error("crop_pct must be above 0.01 and at most 1.", where + ": crop_pct");
  if (options.common.do_resize) {
    const std::int64_t edge = options.common.size.shortest_edge;
    if (edge == 0)
      return input_error("The size names no shortest_edge.", where + ": size",
                         "It is {\"shortest_edge\": 224}.");
    options.common.size = {};
    if (edge < 384) {
      options.common.size.shortest_edge =
          static_cast<std::int64_t>(static_cast<double>(edge) / share);
      options.do_center_crop = true;
      options.crop = {edge, edge};
    } else {
      options.common.size.height = options.common.size.width = edge;
    }
  }
  return std::unique_ptr<ImageProcessor>(std::make_unique<FixedSizeProcessor>(options));
}

/// Three numbers of timm's configuration.
Status read_timm_channels(const Json& config, const char* key, const std::string& where,
                          std::array<double, 3>& values) {
  if (!present(config, key)) return {};
  const Json& list = config[key];
  bool whole = list.is_array() && list.size() == values.size();
  for (std::size_t i = 0; whole && i < values.size(); ++i) {
    whole = list[i].is_number();
    if (whole) values[i] = list[i].get<double>();
  }
  if (whole) return {};
  return input_error("Three numbers are expected, one a colour.", where + ": " + key);
}

/// timm's pretrained_cfg, as its create_transform for evaluations: the picture is made larger than
/// the frame by crop_pct, its proportions kept (center) or not (squash), and the middle taken.
MadeProcessor create_timm(const Json& config, const std::string& where, const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  std::array<double, 3> mean{0.485, 0.456, 0.406}, std{0.229, 0.224, 0.225};
  LUTHIER_CHECK(read_timm_channels(config, "mean", where, mean));
  LUTHIER_CHECK(read_timm_channels(config, "std", where, std));
  std::array<double, 3> sides{3, 224, 224};
  LUTHIER_CHECK(read_timm_channels(config, "input_size", where, sides));
  const auto is_side = [](double side) {
    return side >= 1 && side <= static_cast<double>(kMaxEdge) && side == std::floor(side);
  };
  if (sides[0] != 3 || !is_side(sides[1]) || !is_side(sides[2]))
    return input_error("Three colours, a height and a width are expected.", where + ": input_size");
  LUTHIER_TRY(const double share, json_number(config, "crop_pct", where, 0.875));
  if (!(share > 0.01) || share > 1)
    return input_error("crop_pct must be above 0.01 and at most 1.", where + ": crop_pct");
  LUTHIER_TRY(const std::string mode, json_string(config, "crop_mode", where, "center"));
  if (mode != "center" && mode != "squash")
    return input_error("The crop_mode \"" + mode + "\" is not one that Luthier makes.",
                       where + ": crop_mode", "It is center or squash.");
  LUTHIER_TRY(const std::string filter, json_string(config, "interpolation", where, "bicubic"));
  static constexpr std::pair<const char*, Resample> kFilters[] = {{"nearest", Resample::Nearest},
                                                                  {"bilinear", Resample::Bilinear},
                                                                  {"bicubic", Resample::Bicubic},
                                                                  {"lanczos", Resample::Lanczos}};
  const auto known = std::find_if(std::begin(kFilters), std::end(kFilters),
                                  [&](const auto& each) { return filter == each.first; });
  if (known == std::end(kFilters))
    return input_error("The interpolation \"" + filter + "\" is not one that Luthier makes.",
                       where + ": interpolation", "It is nearest, bilinear, bicubic or lanczos.");
  const auto longer = [share](double side) {
    return static_cast<std::int64_t>(std::floor(side / share));
  };
  Json own{{"image_mean", mean}, {"image_std", std}};
  FixedSizeOptions options = siglip_defaults();
  LUTHIER_CHECK(read_common(own, where, options.common));
  options.common.resample = known->second;
  options.common.size = {};
  if (mode == "squash") {
    options.common.size.height = longer(sides[1]), options.common.size.width = longer(sides[2]);
  } else if (sides[1] == sides[2]) {
    options.common.size.shortest_edge = longer(sides[1]);
  } else {
    return input_error("A frame that is no square is made with crop_mode squash alone.",
                       where + ": input_size");
  }
  options.do_center_crop = options.half_to_even = true;
  options.crop = {static_cast<std::int64_t>(sides[2]), static_cast<std::int64_t>(sides[1])};
  return std::unique_ptr<ImageProcessor>(std::make_unique<FixedSizeProcessor>(options));
}

}  // namespace

MadeProcessor create_clip_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits) {
  return create_fixed(config, where, limits, clip_defaults());
}

MadeProcessor create_siglip_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits) {
  return create_fixed(config, where, limits, siglip_defaults());
}

MadeProcessor create_blip_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits) {
  return create_fixed(config, where, limits, blip_defaults());
}

MadeProcessor create_chameleon_processor(const Json& config, const std::string& where,
                                         const PixelLimits& limits) {
  FixedSizeOptions options = clip_defaults();
  options.common.resample = Resample::Lanczos;
  options.common.size.shortest_edge = 512;
  options.crop = {512, 512};
  options.common.rescale_factor = 0.0078;
  options.common.mean.fill(1);
  options.common.std.fill(1);
  return create_fixed(config, where, limits, options);
}

MadeProcessor create_idefics_processor(const Json& config, const std::string& where,
                                       const PixelLimits& limits) {
  FixedSizeOptions options = siglip_defaults();
  options.common.mean = kClipMean;
  options.common.std = kClipStd;
  LUTHIER_TRY(const std::int64_t channels,
              json_int_in(config, "image_num_channels", where, 3, 1, 64));
  if (channels != 3)
    return input_error("Pictures have three channels here.", where + ": image_num_channels");
  Json own = config;
  if (present(config, "image_size")) own["size"] = config["image_size"];  // a square
  own["default_to_square"] = true;
  return create_fixed(own, where, limits, options);
}

MadeProcessor create_llava_processor(const Json& config, const std::string& where,
                                     const PixelLimits& limits) {
  FixedSizeOptions options = clip_defaults();
  options.pad_is_square = true;
  return create_fixed(config, where, limits, options);
}

MadeProcessor create_vit_processor(const Json& config, const std::string& where,
                                   const PixelLimits& limits) {
  return create_fixed(config, where, limits, vit_defaults());
}

MadeProcessor create_bit_processor(const Json& config, const std::string& where,
                                   const PixelLimits& limits) {
  return create_fixed(config, where, limits, clip_defaults());
}

MadeProcessor create_efficientnet_processor(const Json& config, const std::string& where,
                                            const PixelLimits& limits) {
  return create_fixed(config, where, limits, efficientnet_defaults());
}

MadeProcessor create_timm_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits) {
  return create_timm(config, where, limits);
}

MadeProcessor create_convnext_processor(const Json& config, const std::string& where,
                                        const PixelLimits& limits) {
  return create_convnext(config, where, limits);
}

}  // namespace luthier::detail
