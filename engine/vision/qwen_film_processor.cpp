// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen2-VL's video processor, which Qwen2.5-VL has too: each frame as its pictures are made, but by
// torchvision; temporal_patch_size frames lie in one patch, the last frame again where they do not
// come out even. A frame's pixels have a range of their own, and all frames may share one budget.
#include <algorithm>

#include "engine/vision/processors.h"
#include "engine/vision/smart_resize.h"

namespace luthier::detail {

namespace {

constexpr PixelRange kFramePixels{128 * 28 * 28, 28 * 28 * 768};
constexpr std::int64_t kMaxVideoTokens = std::int64_t{1} << 30;
constexpr double kBudgetShare = 0.9;  // of max_video_tokens, and what of the range's least stays
constexpr double kLeastShare = 1.05;

struct QwenFilmOptions {
  CommonSettings common;
  PixelRange range;
  std::int64_t patch_size = 14, merge_size = 2;
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
  if (!options_.shares_budget) return size;
  const auto whole = [](double count) { return static_cast<std::int64_t>(count); };
  const std::int64_t budget = whole(
      static_cast<double>(options_.max_video_tokens * size.block * size.block) * kBudgetShare);
  const std::int64_t share = budget / frames * options_.choice.temporal_patch_size +
                             budget % frames * options_.choice.temporal_patch_size / frames;
  size.range.most = std::max(std::min(size.range.most, share),
                             whole(static_cast<double>(size.range.least) * kLeastShare));
  return size;
}

Result<PixelValues> QwenFilmProcessor::outline(const ImageSize& size, std::int64_t frames) const {
  if (frames < 1 || frames > kMaxChosenFrames)
    return input_error("The film would show " + std::to_string(frames) + " frames.", {},
                       "At most " + std::to_string(kMaxChosenFrames) +
                           " are: ask for fewer, by num_frames or fps.");
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

Result<FrameChoice> read_choice(const Json& config, const std::string& where,
                                const FilmLimits& limits) {
  if (limits.num_frames && limits.fps)
    return input_error("A number of frames and frames per second are both asked for.",
                       "film.num_frames, film.fps", "Clear one of them.");
  FrameChoice choice;
  LUTHIER_TRY(choice.temporal_patch_size,
              json_int_in(config, "temporal_patch_size", where, 2, 1, 64));
  LUTHIER_TRY(choice.min_frames,
              json_int_in(config, "min_frames", where, choice.min_frames, 0, kMaxFilmFrames));
  LUTHIER_TRY(choice.max_frames,
              json_int_in(config, "max_frames", where, choice.max_frames, 1, kMaxFilmFrames));
  LUTHIER_TRY(const bool samples, json_bool(config, "do_sample_frames", where, false));
  if (samples && present(config, "num_frames")) {
    LUTHIER_TRY(choice.num_frames, json_int_in(config, "num_frames", where, 0, 1, kMaxFilmFrames));
  }
  if (samples && present(config, "fps")) {
    LUTHIER_TRY(choice.fps, json_number(config, "fps", where, 0));
    if (!(*choice.fps > 0 && *choice.fps <= kMaxFps))
      return input_error("Frames per second must be above 0 and at most a million.",
                         where + ": fps");
  }
  if (limits.num_frames) choice.num_frames = limits.num_frames, choice.fps.reset();
  if (limits.fps) choice.fps = limits.fps, choice.num_frames.reset();
  if (limits.max_frames) choice.max_frames = *limits.max_frames;
  if (choice.num_frames && choice.fps)
    return input_error("A number of frames and frames per second are both asked for.",
                       where + ": num_frames, fps", "Clear one of them.");
  return choice;
}

}  // namespace

MadeFilmProcessor create_qwen_film_processor(const Json& config, const std::string& where,
                                             const FilmLimits& limits) {
  QwenFilmOptions o;
  o.common.mean = kClipMean;
  o.common.std = kClipStd;
  LUTHIER_CHECK(read_common(config, where, o.common));
  if (o.common.resample != Resample::Bilinear && o.common.resample != Resample::Bicubic)
    return input_error("This processor's pictures are resized bilinearly (2) or bicubically (3).",
                       where + ": resample");
  LUTHIER_TRY(o.range, read_pixel_range(config, where, limits.pixels, kFramePixels));
  LUTHIER_TRY(o.patch_size, json_int_in(config, "patch_size", where, o.patch_size, 1, 1024));
  LUTHIER_TRY(o.merge_size, json_int_in(config, "merge_size", where, o.merge_size, 1, 64));
  LUTHIER_TRY(o.shares_budget, json_bool(config, "cap_pixels_per_frame", where, false));
  LUTHIER_TRY(o.max_video_tokens, json_int_in(config, "max_video_tokens", where, o.max_video_tokens,
                                              1, kMaxVideoTokens));
  LUTHIER_TRY(o.choice, read_choice(config, where, limits));
  return std::unique_ptr<FilmProcessor>(std::make_unique<QwenFilmProcessor>(o));
}

}  // namespace luthier::detail
