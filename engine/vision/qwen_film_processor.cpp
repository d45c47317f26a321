// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen2-VL's video processor, which Qwen2.5-VL has too, and Qwen3-VL's, which is Qwen3.5's: each
// frame as its pictures are made, but by torchvision; temporal_patch_size frames lie in one patch,
// the last frame again where they do not come out even. A frame's pixels have a range of their own,
// and all frames may share one budget; in Qwen3-VL the range is that of all frames together, and
// each may have a cap.
#include <algorithm>
#include <cmath>

#include "engine/vision/processors.h"
#include "engine/vision/smart_resize.h"

namespace luthier::detail {

namespace {

constexpr PixelRange kFramePixels{128 * 28 * 28, 28 * 28 * 768},
    kFilmPixels{128 * 32 * 32, 32 * 32 * 768};
constexpr std::int64_t kMaxVideoTokens = std::int64_t{1} << 30;
constexpr double kBudgetShare = 0.9;  // of max_video_tokens, and what of the range's least stays
constexpr double kLeastShare = 1.05;

struct QwenFilmOptions {
  CommonSettings common;
  PixelRange range;
  std::int64_t patch_size = 14, merge_size = 2;
  bool whole_film = false;     // the range is that of all frames: Qwen3-VL's
  bool shares_budget = false;  // cap_pixels_per_frame
  std::int64_t max_video_tokens = 128000;
  FrameChoice choice;
};

class QwenFilmProcessor : public FilmProcessor {
 public:
  explicit QwenFilmProcessor(const QwenFilmOptions& options)
      : options_(options), table_(options.common, Backend::Torchvision) {}

  const FrameChoice& choice() const override { return options_.choice; }
  std::int64_t merge_size() const override { return options_.merge_size; }
  Result<PixelValues> outline(const ImageSize& size, std::int64_t frames) const override;
  Result<PixelValues> process(const FilmSource& film,
                              const std::vector<std::int64_t>& indices) const override;

 private:
  SmartSize frame_size(std::int64_t frames) const;
  /// One frame into its place among a grid step's.
  void write_frame(const Image& view, const std::vector<std::int64_t>& grid, std::int64_t frame,
                   float* values) const;

  QwenFilmOptions options_;
  ByteTable table_;
};

SmartSize QwenFilmProcessor::frame_size(std::int64_t frames) const {
  SmartSize size{options_.patch_size * options_.merge_size, options_.range,
                 options_.common.do_resize, 0};
  const auto whole = [](double count) { return static_cast<std::int64_t>(count); };
  const std::int64_t times = options_.choice.temporal_patch_size;
  if (options_.whole_film) {
    size.frames = frames;
    // halves go to even, as Python rounds
    size.patched_frames =
        whole(std::rint(static_cast<double>(frames) / static_cast<double>(times))) * times;
  }
  if (!options_.shares_budget) return size;
  const std::int64_t least = whole(static_cast<double>(size.range.least) * kLeastShare);
  if (options_.whole_film) {
    const std::int64_t cap = options_.max_video_tokens * size.block * size.block;
    size.range.most = std::max(std::min(cap, size.range.most / frames), least) * frames;
    return size;
  }
  const std::int64_t budget = whole(
      static_cast<double>(options_.max_video_tokens * size.block * size.block) * kBudgetShare);
  const std::int64_t share = budget / frames * times + budget % frames * times / frames;
  size.range.most = std::max(std::min(size.range.most, share), least);
  return size;
}

Result<PixelValues> QwenFilmProcessor::outline(const ImageSize& size, std::int64_t frames) const {
  if (frames < 1 || frames > kMaxChosenFrames)
    return input_error("The film would show " + std::to_string(frames) + " frames.", {},
                       "At most " + std::to_string(kMaxChosenFrames) +
                           " are: ask for fewer, by num_frames or fps.");
  if (options_.whole_film && options_.common.do_resize &&
      frames < options_.choice.temporal_patch_size)
    return input_error("The film shows " + std::to_string(frames) +
                           " frames, and this model's processor needs " +
                           std::to_string(options_.choice.temporal_patch_size) + " at least.",
                       {}, "Ask for more frames, or take the film out.");
  LUTHIER_TRY(const Extent extent, smart_resize({size.width, size.height}, frame_size(frames)));
  const std::int64_t times = options_.choice.temporal_patch_size,
                     steps = (frames + times - 1) / times,
                     rows = extent.height / options_.patch_size,
                     columns = extent.width / options_.patch_size,
                     length = 3 * times * options_.patch_size * options_.patch_size;
  if (steps * rows * columns > kMaxValues / length)
    return input_error(
        "The film would become " + std::to_string(steps * rows * columns) + " patches.", {},
        "That is more than this program takes for one film: ask for fewer frames or pixels.");
  return PixelValues{{}, {steps * rows * columns, length}, {steps, rows, columns}};
}

void QwenFilmProcessor::write_frame(const Image& view, const std::vector<std::int64_t>& grid,
                                    std::int64_t frame, float* values) const {
  const std::int64_t times = options_.choice.temporal_patch_size;
  const int patch = static_cast<int>(options_.patch_size),
            merge = static_cast<int>(options_.merge_size), rows = static_cast<int>(grid[1]),
            columns = static_cast<int>(grid[2]);
  const std::size_t area = std::size_t(patch) * std::size_t(patch),
                    length = 3 * static_cast<std::size_t>(times) * area;
  float* out = values + static_cast<std::size_t>(frame / times * grid[1] * grid[2]) * length +
               static_cast<std::size_t>(frame % times) * area;
  for (int block_row = 0; block_row < rows; block_row += merge)
    for (int block_column = 0; block_column < columns; block_column += merge)
      for (int row = block_row; row < block_row + merge; ++row)
        for (int column = block_column; column < block_column + merge; ++column, out += length)
          table_.write(view, {column * patch, row * patch, patch, patch}, out, std::size_t(patch),
                       static_cast<std::size_t>(times) * area);
}

Result<PixelValues> QwenFilmProcessor::process(const FilmSource& film,
                                               const std::vector<std::int64_t>& indices) const {
  const auto frames = static_cast<std::int64_t>(indices.size());
  PixelValues pixels;
  std::int64_t frame = 0;
  const auto take = [&](const Image& image) -> Status {
    if (frame == frames) return input_error("The film gave more frames than it was asked for.");
    if (frame == 0) {
      LUTHIER_TRY(pixels, outline({image.width, image.height}, frames));
      pixels.values.resize(static_cast<std::size_t>(pixels.shape[0] * pixels.shape[1]));
    }
    const std::int64_t width = pixels.grid[2] * options_.patch_size,
                       height = pixels.grid[1] * options_.patch_size;
    const Image view = resize_as_torch(image, static_cast<int>(width), static_cast<int>(height),
                                       options_.common.resample);
    write_frame(view, pixels.grid, frame, pixels.values.data());
    if (++frame < frames) return {};
    const std::int64_t room = pixels.grid[0] * options_.choice.temporal_patch_size;
    for (std::int64_t again = frames; again < room; ++again)
      write_frame(view, pixels.grid, again, pixels.values.data());
    return {};
  };
  LUTHIER_CHECK(film.each(indices, take));
  if (frame != frames || frames == 0)
    return input_error("The film ended before its last frame that is to be shown.");
  return pixels;
}

MadeFilmProcessor create_qwen(const Json& config, const std::string& where,
                              const FilmLimits& limits, QwenFilmOptions o,
                              const PixelRange& standard) {
  LUTHIER_CHECK(read_common(config, where, o.common));
  if (o.common.resample != Resample::Bilinear && o.common.resample != Resample::Bicubic)
    return input_error("This processor's pictures are resized bilinearly (2) or bicubically (3).",
                       where + ": resample");
  LUTHIER_TRY(o.range, read_pixel_range(config, where, limits.pixels, standard, "film"));
  LUTHIER_TRY(o.patch_size, json_int_in(config, "patch_size", where, o.patch_size, 1, 1024));
  LUTHIER_TRY(o.merge_size, json_int_in(config, "merge_size", where, o.merge_size, 1, 64));
  LUTHIER_TRY(o.shares_budget, json_bool(config, "cap_pixels_per_frame", where, false));
  LUTHIER_TRY(o.max_video_tokens, json_int_in(config, "max_video_tokens", where, o.max_video_tokens,
                                              1, kMaxVideoTokens));
  LUTHIER_TRY(o.choice, read_frame_choice(config, where, limits, o.choice));
  return std::unique_ptr<FilmProcessor>(std::make_unique<QwenFilmProcessor>(o));
}

}  // namespace

MadeFilmProcessor create_qwen_film_processor(const Json& config, const std::string& where,
                                             const FilmLimits& limits) {
  QwenFilmOptions options;
  options.common.mean = kClipMean;
  options.common.std = kClipStd;
  options.choice.samples = false;
  return create_qwen(config, where, limits, options, kFramePixels);
}

MadeFilmProcessor create_qwen3_film_processor(const Json& config, const std::string& where,
                                              const FilmLimits& limits) {
  QwenFilmOptions options;
  options.common.mean = options.common.std = kHalves;
  options.patch_size = 16;
  options.whole_film = true;
  options.max_video_tokens = 768;
  options.choice.rule = FrameRule::Ends;
  options.choice.fps = 2;
  return create_qwen(config, where, limits, options, kFilmPixels);
}

}  // namespace luthier::detail
