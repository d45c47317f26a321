// SPDX-License-Identifier: GPL-3.0-or-later
// DeepSeek-OCR-2's processor: of a picture larger than a tile, the tiles whose arrangement is
// nearest to its proportions, the picture stretched over them; then the whole, as large as it fits,
// in the middle of a square of another size. Tiles and whole lie flat, one after another.
#include <algorithm>
#include <cmath>

#include "engine/vision/arrangements.h"
#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct DeepseekPictureSettings {
  CommonSettings common;
  bool crop_to_patches = true;
  std::int64_t min_patches = 2, max_patches = 6;
  std::int64_t tile = 768, whole = 1024;  ///< edges
  std::array<std::uint8_t, 3> background{127, 127, 127};

  std::int64_t square() const { return crop_to_patches ? whole : tile; }
};

class DeepseekOcr2Processor : public ImageProcessor {
 public:
  explicit DeepseekOcr2Processor(const DeepseekPictureSettings& settings)
      : settings_(settings), table_(settings.common) {
    if (settings.crop_to_patches)
      arrangements_ = arrangements(settings.min_patches, settings.max_patches);
  }

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  /// As large as it fits into the square, to the nearest pixel as Python rounds.
  Extent fitted_whole(Extent from) const {
    const double scale = static_cast<double>(settings_.square()) /
                         static_cast<double>(std::max(from.width, from.height));
    const auto scaled = [scale](std::int64_t side) {
      return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(side) * scale));
    };
    return {scaled(from.width), scaled(from.height)};
  }

  DeepseekPictureSettings settings_;
  ByteTable table_;
  std::vector<Arrangement> arrangements_;
};

Result<PixelValues> DeepseekOcr2Processor::outline(int width, int height) const {
  LUTHIER_CHECK(check_picture(width, height));
  const Extent from{width, height};
  const std::int64_t tile = settings_.tile, square = settings_.square();
  Arrangement grid{0, 0};
  if (settings_.crop_to_patches && std::max(width, height) > tile) {
    grid = nearest_arrangement(arrangements_, from, {tile, tile});
    LUTHIER_CHECK(check_resized(from, {tile * grid.columns, tile * grid.rows}));
  }
  LUTHIER_CHECK(check_resized(from, fitted_whole(from)));
  const std::int64_t pixels = grid.columns * grid.rows * tile * tile + square * square;
  if (pixels > kMaxValues / 3)
    return input_error("The picture would become " + std::to_string(pixels) + " pixels.", {},
                       "That is more than this program takes for one picture: make the picture "
                       "processor's sizes smaller.");
  return PixelValues{{}, {3 * pixels}, {grid.rows, grid.columns, tile, square}};
}

Result<PixelValues> DeepseekOcr2Processor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0]));
  float* out = pixels.values.data();
  const std::int64_t rows = pixels.grid[0], columns = pixels.grid[1];
  const Resample filter = settings_.common.resample;
  const int tile = static_cast<int>(settings_.tile);
  if (rows > 0) {
    const Image canvas = resize_to(image, {tile * columns, tile * rows}, filter);
    for (int row = 0; row < rows; ++row) {
      for (int column = 0; column < columns; ++column) {
        table_.write(canvas, {column * tile, row * tile, tile, tile}, out);
        out += 3 * settings_.tile * settings_.tile;
      }
    }
  }
  const std::int64_t square = settings_.square();
  const Image shown = resize_to(image, fitted_whole({image.width, image.height}), filter);
  table_.write(centred(shown, {square, square}, settings_.background), out);
  return pixels;
}

Status read_background(const Json& config, const std::string& where,
                       std::array<std::uint8_t, 3>& color) {
  if (!present(config, "background_color")) return {};
  const Json& list = config["background_color"];
  const bool fits = list.is_array() && list.size() == color.size() &&
                    std::all_of(list.begin(), list.end(), [](const Json& each) {
                      return each.is_number_integer() && each.get<std::int64_t>() >= 0 &&
                             each.get<std::int64_t>() <= 255;
                    });
  if (!fits) return input_error("A list of three bytes is expected.", where + ": background_color");
  for (std::size_t i = 0; i < color.size(); ++i)
    color[i] = static_cast<std::uint8_t>(list[i].get<std::int64_t>());
  return {};
}

}  // namespace

MadeProcessor create_deepseek_ocr2_processor(const Json& config, const std::string& where,
                                             const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  DeepseekPictureSettings settings;
  settings.common.number_is_square = true;
  settings.common.mean = settings.common.std = kHalves;
  LUTHIER_CHECK(read_common(config, where, settings.common));
  if (present(config, "size")) {
    LUTHIER_TRY(const Size size,
                read_size(config["size"], settings.common.number_is_square, where + ": size"));
    if (size.height == 0) return input_error("A size with a height is expected.", where + ": size");
    settings.whole = size.height;
  }
  LUTHIER_TRY(settings.crop_to_patches,
              json_bool(config, "crop_to_patches", where, settings.crop_to_patches));
  LUTHIER_TRY(settings.min_patches,
              json_int_in(config, "min_patches", where, settings.min_patches, 0, kMaxTiles));
  LUTHIER_TRY(settings.max_patches,
              json_int_in(config, "max_patches", where, settings.max_patches, 0, kMaxTiles));
  LUTHIER_TRY(settings.tile, json_int_in(config, "tile_size", where, settings.tile, 1, kMaxEdge));
  LUTHIER_CHECK(read_background(config, where, settings.background));
  return std::unique_ptr<ImageProcessor>(std::make_unique<DeepseekOcr2Processor>(settings));
}

}  // namespace luthier::detail
