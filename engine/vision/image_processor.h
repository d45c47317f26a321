// SPDX-License-Identifier: GPL-3.0-or-later
// A picture to pixel_values, as the checkpoint's preprocessor_config.json (or the image_processor
// of processor_config.json) says. One derived class a processor type, found in a table by
// `image_processor_type`.
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

  bool any() const { return min_pixels || max_pixels; }
  bool operator==(const PixelLimits&) const = default;
};

/// What a family's whole processor says of its picture processor; the model's config decides it.
struct ProcessorDefaults {
  std::string type;                ///< where the folder's files name none
  Json settings = Json::object();  ///< whatever the picture processor's own file says
};

/// Where the grid steps of a film lie in time, in seconds.
struct FilmTimes {
  double step = 0;                   ///< from one to the next
  std::vector<double> middles;       ///< of each: between its first frame and its last
  std::optional<double> whole = {};  ///< how long the film is, where its file tells
};

/// One picture or film ready for a tower. The first axis of `shape` counts what this picture adds
/// to the collated pixel_values, which are the pictures' values one after the other along that
/// axis:
///   CLIP, SigLIP, LLaVA     [1, 3, height, width]            grid {}
///   Gemma 3                 [1 + crops, 3, height, width]    grid {crops}; the whole picture first
///   Idefics3, SmolVLM       [tiles, 3, height, width]        grid {rows, columns}, {0, 0} when
///                           unsplit; the whole picture last
///   LLaVA-NeXT, -OneVision  [1 + tiles, 3, height, width]    grid {original height, original
///                           width}; the whole picture first, of several in a row
///                           LLaVA-OneVision has no tiles
///   GOT-OCR2 (InternVL)     [tiles, 3, height, width]        grid {tiles}; a thumbnail of the
///                           whole last when there are several
///   Ovis 2                  [tiles, 3, height, width]        grid {rows, columns}; several: behind
///                           the whole picture
///   DeepSeek-OCR-2          [numbers]                        grid {rows, columns of tiles, a
///                           tile's edge, the whole's}; each frame [3, edge, edge], the tiles row
///                           by row, the whole last; no tiles: 0, 0
///   Phi-4-multimodal        [1 + squares, 3, side, side]     grid {rows, columns of squares, rows,
///                           columns of patches that show something}; the whole first
///   Qwen2-VL and later      [patches, 3 * time * patch * patch]   grid {time, height, width} in
///                           patches
///   Pixtral (Mistral 3)     [patches, 3 * patch * patch]     grid {1, height, width} in patches
///   MiniCPM-V 4.6           [patches, 3 * patch * patch]     grid {rows, columns of slices, a
///                           slice's height and width in patches, those of the whole}; not cut: 0,
///                           0, 0, 0; the whole picture first
///   Mllama                  [most tiles, 3, height, width]   grid {rows, columns, most tiles};
///                           zeros in the tiles behind rows · columns
///   Gemma 4                 [patches, 3 * patch * patch]     grid {1, height, width, pooling,
///                           most}: patches along a square, and how many a picture can have;
///                           of the unified model one patch is the whole square
///   LFM2-VL                 [patches, patch * patch * 3]     grid {rows, columns of tiles, a
///                           tile's side in patches, height, width of the whole in patches}; no
///                           tiles: 0, 0, 0; the whole picture last, 0, 0 where it is left out
struct PixelValues {
  std::vector<float> values;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> grid;
  std::optional<FilmTimes> film = {};  ///< none: a picture
};

class ImageProcessor {
 public:
  virtual ~ImageProcessor() = default;
  /// From a checkpoint folder.
  static Result<std::unique_ptr<ImageProcessor>> load(const std::filesystem::path& folder,
                                                      const ProcessorDefaults& defaults = {},
                                                      const PixelLimits& limits = {});
  /// From the parsed configuration; `where` names its file.
  static Result<std::unique_ptr<ImageProcessor>> create(const Json& config,
                                                        const std::string& where,
                                                        const PixelLimits& limits = {});

  virtual Result<PixelValues> process(const Image& image) const = 0;
  /// The shape and grid `process` would give for a picture of this size, without values: for
  /// lengths and the forecast.
  virtual Result<PixelValues> outline(int width, int height) const = 0;
  /// The processor of each picture of a row that has so many: this one, but for families that cut
  /// into tiles only a picture that is alone. As long-lived as this one.
  virtual const ImageProcessor& among(std::size_t /*pictures*/) const { return *this; }
};

}  // namespace luthier
