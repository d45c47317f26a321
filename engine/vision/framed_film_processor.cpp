// SPDX-License-Identifier: GPL-3.0-or-later
// Films whose frames are pictures one by one, each of one size: LLaVA-OneVision's, resized as
// transformers' own resize does, and SmolVLM's, resized to its longest edge first and then to a
// square. Both by torchvision, which has no Lanczos before 0.27: transformers takes the bicubic
// filter in its place there.
#include <algorithm>
#include <cstring>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct FramedFilmOptions {
  CommonSettings common;
  std::int64_t square = 0;  ///< SmolVLM's: the edge that each frame has in the end
  bool do_center_crop = false;
  Extent crop{};
  FrameChoice choice;
};

/// SmolVLM's: the longer edge as said, the other in proportion and even.
Extent longest_edge_extent(std::int64_t longest, Extent from) {
  constexpr std::int64_t kLargest = 4096;
  const std::int64_t edge = std::min(longest, kLargest);
  const double proportion = static_cast<double>(from.width) / static_cast<double>(from.height);
  const auto even = [](double length) {
    const auto whole = static_cast<std::int64_t>(length);
    return std::max<std::int64_t>(whole + whole % 2, 1);
  };
  const double exact = static_cast<double>(edge);
  if (from.width >= from.height) return {edge, even(exact / proportion)};
  return {even(exact * proportion), edge};
}

/// torchvision's crop around the centre, black where the frame is smaller: an odd pixel of that
/// more stands right and below, where Pillow's has it left and above.
Image centre_of(const Image& image, const Extent& crop) {
  Image out{static_cast<int>(crop.width), static_cast<int>(crop.height), {}};
  out.rgb.assign(3 * std::size_t(out.width) * std::size_t(out.height), 0);
  const int from_x = std::max(0, (image.width - out.width) / 2),
            from_y = std::max(0, (image.height - out.height) / 2),
            to_x = std::max(0, (out.width - image.width) / 2),
            to_y = std::max(0, (out.height - image.height) / 2),
            columns = std::min(image.width, out.width), rows = std::min(image.height, out.height);
  const auto place = [](const Image& of, int x, int y) {
    return 3 * (std::size_t(y) * std::size_t(of.width) + std::size_t(x));
  };
  for (int y = 0; y < rows; ++y)
    std::memcpy(out.rgb.data() + place(out, to_x, to_y + y),
                image.rgb.data() + place(image, from_x, from_y + y), 3 * std::size_t(columns));
  return out;
}

class FramedFilmProcessor : public FilmProcessor {
 public:
  explicit FramedFilmProcessor(const FramedFilmOptions& options)
      : options_(options), table_(options.common, Backend::Torchvision) {}

  const FrameChoice& choice() const override { return options_.choice; }
  Result<PixelValues> outline(const ImageSize& size, std::int64_t frames) const override;
  Result<PixelValues> process(const FilmSource& film,
                              const std::vector<std::int64_t>& indices) const override;

 private:
  /// The sizes that a frame has, one after another.
  Result<std::vector<Extent>> steps(Extent from) const;
  Image framed(const Image& image, const std::vector<Extent>& steps) const;

  FramedFilmOptions options_;
  ByteTable table_;
};

Result<std::vector<Extent>> FramedFilmProcessor::steps(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  std::vector<Extent> sizes;
  if (options_.common.do_resize) {
    const Size& size = options_.common.size;
    const bool by_longest = options_.square && size.longest_edge;
    sizes.push_back(by_longest ? longest_edge_extent(size.longest_edge, from)
                               : resized_extent(size, from));
    if (options_.square) sizes.push_back({options_.square, options_.square});
  }
  for (const Extent& each : sizes) LUTHIER_CHECK(check_resized(from, each));
  return sizes;
}

Result<PixelValues> FramedFilmProcessor::outline(const ImageSize& size, std::int64_t frames) const {
  if (frames < 1 || frames > kMaxChosenFrames)
    return input_error("The film would show " + std::to_string(frames) + " frames.", {},
                       "At most " + std::to_string(kMaxChosenFrames) +
                           " are: ask for fewer, by num_frames or fps.");
  LUTHIER_TRY(const std::vector<Extent> sizes, steps({size.width, size.height}));
  const Extent last = options_.do_center_crop ? options_.crop
                      : sizes.empty()         ? Extent{size.width, size.height}
                                              : sizes.back();
  if (last.width * last.height > kMaxValues / 3 / frames)
    return input_error("The film would become " + std::to_string(frames) + " pictures of " +
                           std::to_string(last.width) + " x " + std::to_string(last.height) +
                           " pixels.",
                       {},
                       "That is more than this program takes for one film: ask for fewer frames or "
                       "pixels.");
  return PixelValues{{}, {frames, 3, last.height, last.width}, {frames}};
}

Image FramedFilmProcessor::framed(const Image& image, const std::vector<Extent>& steps) const {
  Image view = image;
  for (const Extent& each : steps)
    view = resize_as_torch(view, static_cast<int>(each.width), static_cast<int>(each.height),
                           options_.common.resample);
  return options_.do_center_crop ? centre_of(view, options_.crop) : view;
}

Result<PixelValues> FramedFilmProcessor::process(const FilmSource& film,
                                                 const std::vector<std::int64_t>& indices) const {
  const auto frames = static_cast<std::int64_t>(indices.size());
  PixelValues pixels;
  std::vector<Extent> sizes;
  std::int64_t frame = 0;
  const auto take = [&](const Image& image) -> Status {
    if (frame == frames) return input_error("The film gave more frames than it was asked for.");
    if (frame == 0) {
      LUTHIER_TRY(pixels, outline({image.width, image.height}, frames));
      LUTHIER_TRY(sizes, steps({image.width, image.height}));
      pixels.values.resize(
          static_cast<std::size_t>(frames * 3 * pixels.shape[2] * pixels.shape[3]));
    }
    table_.write(framed(image, sizes),
                 pixels.values.data() + frame * 3 * pixels.shape[2] * pixels.shape[3]);
    ++frame;
    return {};
  };
  LUTHIER_CHECK(film.each(indices, take));
  if (frame != frames || frames == 0)
    return input_error("The film ended before its last frame that is to be shown.");
  return pixels;
}

Status check_film_filter(CommonSettings& common, const std::string& where) {
  if (common.resample == Resample::Lanczos) common.resample = Resample::Bicubic;
  if (common.resample == Resample::Bilinear || common.resample == Resample::Bicubic) return {};
  return input_error("A film's frames are resized bilinearly (2) or bicubically (3).",
                     where + ": resample");
}

/// What SmolVLM's folders said first: {"video_sampling": {"fps", "max_frames", "video_size"}}.
Result<Json> sampling_unfolded(const Json& config, const std::string& where) {
  Json plain = config;
  if (!present(config, "video_sampling")) return plain;
  const Json& sampling = config["video_sampling"];
  const std::string at = where + ": video_sampling";
  if (!sampling.is_object() || !present(sampling, "fps") || !present(sampling, "max_frames"))
    return input_error("This must be an object with fps, max_frames and video_size.", at);
  plain["fps"] = sampling["fps"];
  plain["num_frames"] = sampling["max_frames"];
  if (!present(config, "size")) {
    if (!present(sampling, "video_size"))
      return input_error("This must be an object with fps, max_frames and video_size.", at);
    plain["size"] = sampling["video_size"];
  }
  return plain;
}

}  // namespace

MadeFilmProcessor create_llava_onevision_film_processor(const Json& config,
                                                        const std::string& where,
                                                        const FilmLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits.pixels, "film"));
  FramedFilmOptions o;
  o.common.mean = kClipMean;
  o.common.std = kClipStd;
  o.common.size.height = o.common.size.width = 384;
  o.choice.rule = FrameRule::Even;
  o.choice.samples = false;
  o.choice.temporal_patch_size = 1;
  LUTHIER_CHECK(read_common(config, where, o.common));
  LUTHIER_CHECK(read_resize_size(config, where, o.common));
  LUTHIER_CHECK(check_film_filter(o.common, where));
  LUTHIER_TRY(o.do_center_crop, json_bool(config, "do_center_crop", where, false));
  if (o.do_center_crop) {
    if (!present(config, "crop_size"))
      return input_error("do_center_crop is set, and crop_size is not.", where);
    LUTHIER_TRY(o.crop, read_extent(config["crop_size"], where + ": crop_size"));
  }
  LUTHIER_TRY(o.choice, read_frame_choice(config, where, limits, o.choice));
  return std::unique_ptr<FilmProcessor>(std::make_unique<FramedFilmProcessor>(o));
}

MadeFilmProcessor create_smolvlm_film_processor(const Json& given, const std::string& where,
                                                const FilmLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits.pixels, "film"));
  LUTHIER_TRY(const Json config, sampling_unfolded(given, where));
  FramedFilmOptions o;
  o.common.mean = o.common.std = kHalves;
  o.common.number_is_square = true;
  o.common.size.longest_edge = 4 * 364;
  o.choice.rule = FrameRule::Inner;
  o.choice.samples = false;
  o.choice.temporal_patch_size = 1;
  o.square = 364;
  LUTHIER_CHECK(read_common(config, where, o.common));
  if (present(config, "size")) {
    LUTHIER_TRY(o.common.size,
                read_size(config["size"], o.common.number_is_square, where + ": size"));
  }
  const Size& size = o.common.size;
  if (o.common.do_resize && !size.longest_edge && !(size.height && size.width))
    return input_error("This must have longest_edge, or height and width.", where + ": size");
  if (present(config, "max_image_size")) {
    const Json& most = config["max_image_size"];
    if (!most.is_object())
      return input_error("This must be an object with longest_edge.", where + ": max_image_size");
    LUTHIER_TRY(o.square, json_int_in(most, "longest_edge", where + ": max_image_size", o.square, 1,
                                      kMaxEdge));
  }
  LUTHIER_CHECK(check_film_filter(o.common, where));
  LUTHIER_TRY(o.choice, read_frame_choice(config, where, limits, o.choice));
  return std::unique_ptr<FilmProcessor>(std::make_unique<FramedFilmProcessor>(o));
}

}  // namespace luthier::detail
