// SPDX-License-Identifier: GPL-3.0-or-later
// A picture to pixel_values, as the checkpoint's preprocessor_config.json (or the image_processor of processor_config.json) says.
// One derived class a processor type, found in a table by `image_processor_type`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/vision/image.h"

namespace luthier {

/// What a recipe may override.
struct PixelLimits {
  std::optional<std::int64_t> min_pixels, max_pixels;
};

/// One picture ready for a tower. `shape` is without a batch axis, in the layout of the family's transformers processor
/// ([3, height, width] for CLIP and SigLIP); `grid` is {time, height, width} in patches where a family counts so.
struct PixelValues {
  std::vector<float> values;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> grid;
};

class ImageProcessor {
 public:
  virtual ~ImageProcessor() = default;
  /// From a checkpoint folder.
  static Result<std::unique_ptr<ImageProcessor>> load(const std::filesystem::path& folder, const PixelLimits& limits = {});
  /// From the parsed configuration; `where` names its file.
  static Result<std::unique_ptr<ImageProcessor>> create(const Json& config, const std::string& where, const PixelLimits& limits = {});

  virtual Result<PixelValues> process(const Image& image) const = 0;
  /// The shape `process` would give for a picture of this size, without doing it (for the forecast).
  virtual std::vector<std::int64_t> shape_for(int width, int height) const = 0;
};

}  // namespace luthier
