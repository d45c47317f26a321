// SPDX-License-Identifier: GPL-3.0-or-later
// A film to pixel_values_videos, as the checkpoint's video processor says: which frames are shown,
// of which size, and how they lie. Torchvision's arithmetic, since transformers has no other for
// films.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/vision/film.h"
#include "engine/vision/image_processor.h"

namespace luthier {

/// What a recipe may override. `num_frames` and `fps` stand for each other's (SmolVLM's takes both)
/// and make a processor choose that by itself shows all frames.
struct FilmLimits {
  std::optional<std::int64_t> num_frames = {};
  std::optional<double> fps = {};
  std::optional<std::int64_t> max_frames = {};
  PixelLimits pixels = {};  ///< of one frame; Qwen3-VL's are those of all frames together
  std::optional<std::int64_t> min_frames = {};

  bool any() const { return num_frames || fps || min_frames || max_frames || pixels.any(); }
  bool operator==(const FilmLimits&) const = default;
};

/// Writes the limits into the video processor's settings of a checkpoint folder, so that
/// transformers chooses the same frames and makes the same pixels. Nothing without limits; an Input
/// error where the processor has no such setting.
Status store_film_limits(const std::filesystem::path& folder, const std::string& type,
                         const FilmLimits& limits);

/// Those of pictures, and those of films.
struct MediaLimits : PixelLimits {
  FilmLimits film = {};

  bool any() const { return PixelLimits::any() || film.any(); }
  bool operator==(const MediaLimits&) const = default;
};

class FilmProcessor {
 public:
  virtual ~FilmProcessor() = default;
  /// From a checkpoint folder: processor_config.json's video_processor, else
  /// video_preprocessor_config.json, else preprocessor_config.json. `type`: where none is named.
  static Result<std::unique_ptr<FilmProcessor>> load(const std::filesystem::path& folder,
                                                     const std::string& type,
                                                     const FilmLimits& limits = {});
  /// From the parsed configuration; `where` names its file.
  static Result<std::unique_ptr<FilmProcessor>> create(const Json& config, const std::string& where,
                                                       const FilmLimits& limits = {});

  virtual const FrameChoice& choice() const = 0;
  /// Patches along a side of what becomes one token.
  virtual std::int64_t merge_size() const { return 1; }
  /// Shape and grid for so many frames of this size, without values. Qwen's: patches, as a
  /// picture's, grid {time, height, width}. SmolVLM's and LLaVA-OneVision's: [frames, 3, height,
  /// width], grid {frames}.
  virtual Result<PixelValues> outline(const ImageSize& size, std::int64_t frames) const = 0;
  /// The frames at these indices, as `choose_frames` gave them.
  virtual Result<PixelValues> process(const FilmSource& film,
                                      const std::vector<std::int64_t>& indices) const = 0;
};

}  // namespace luthier
