// SPDX-License-Identifier: GPL-3.0-or-later
// Llama 3.2 Vision's processor: the picture as it is, or as large as it fits, in the upper left of
// the canvas of tiles that it fits best, black beside it; tiles row by row, and empty ones behind
// them up to as many as any picture can have.
#include <algorithm>
#include <cmath>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct MllamaCanvas {
  std::int64_t rows = 1, columns = 1;
};

class MllamaProcessor : public ImageProcessor {
 public:
  MllamaProcessor(const CommonSettings& settings, std::int64_t tiles)
      : settings_(settings), table_(settings), tile_(settings.size.height), tiles_(tiles) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  MllamaCanvas canvas(Extent from) const;
  Extent fitted(Extent from, const MllamaCanvas& canvas) const;

  CommonSettings settings_;
  ByteTable table_;
  std::int64_t tile_, tiles_;
};

/// The one that enlarges the picture least, else the one that shrinks it least; of equals the
/// smallest, and of those the lowest.
MllamaCanvas MllamaProcessor::canvas(Extent from) const {
  const auto height = static_cast<double>(from.height), width = static_cast<double>(from.width);
  MllamaCanvas best;
  double chosen = 0;
  for (std::int64_t rows = 1; rows <= tiles_; ++rows)
    for (std::int64_t columns = 1; rows * columns <= tiles_; ++columns) {
      const double scale = std::min(static_cast<double>(rows * tile_) / height,
                                    static_cast<double>(columns * tile_) / width);
      const bool nearer = scale >= 1 ? chosen < 1 || scale < chosen : chosen < 1 && scale > chosen;
      const bool smaller = scale == chosen && rows * columns < best.rows * best.columns;
      if (nearer || smaller) best = {rows, columns}, chosen = scale;
    }
  return best;
}

Extent MllamaProcessor::fitted(Extent from, const MllamaCanvas& canvas) const {
  const std::int64_t most_width = std::clamp(from.width, tile_, canvas.columns * tile_),
                     most_height = std::clamp(from.height, tile_, canvas.rows * tile_);
  const double by_height = static_cast<double>(most_height) / static_cast<double>(from.height),
               by_width = static_cast<double>(most_width) / static_cast<double>(from.width);
  const auto scaled = [](std::int64_t side, double scale, std::int64_t most) {
    const auto whole = static_cast<std::int64_t>(std::floor(static_cast<double>(side) * scale));
    return std::min(std::max<std::int64_t>(1, whole), most);
  };
  if (by_width < by_height) return {most_width, scaled(from.height, by_width, most_height)};
  return {scaled(from.width, by_height, most_width), most_height};
}

Result<PixelValues> MllamaProcessor::outline(int width, int height) const {
  LUTHIER_CHECK(check_picture(width, height));
  const Extent from{width, height};
  const MllamaCanvas grid = canvas(from);
  LUTHIER_CHECK(check_resized(from, fitted(from, grid)));
  return stacked(tiles_, {tile_, tile_}, {grid.rows, grid.columns, tiles_});
}

Result<PixelValues> MllamaProcessor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const Extent from{image.width, image.height};
  const MllamaCanvas grid{pixels.grid[0], pixels.grid[1]};
  const Image shown = resize_to(image, fitted(from, grid), settings_.resample);
  const auto plane = static_cast<std::size_t>(tile_ * tile_);
  pixels.values.assign(static_cast<std::size_t>(tiles_) * 3 * plane, 0.0F);
  float* out = pixels.values.data();
  const int tile = static_cast<int>(tile_);
  for (int row = 0; row < grid.rows; ++row)
    for (int column = 0; column < grid.columns; ++column, out += 3 * plane) {
      for (std::size_t channel = 0; channel < 3; ++channel)
        std::fill_n(out + channel * plane, plane, table_.channel(channel)[0]);
      const Region region{column * tile, row * tile, std::min(tile, shown.width - column * tile),
                          std::min(tile, shown.height - row * tile)};
      if (region.width > 0 && region.height > 0)
        table_.write(shown, region, out, static_cast<std::size_t>(tile_), plane);
    }
  return pixels;
}

/// What transformers' processor refuses to leave out.
Status always_on(const Json& config, const char* key, const std::string& where) {
  LUTHIER_TRY(const bool on, json_bool(config, key, where, true));
  if (on) return {};
  return input_error("This processor always resizes pictures and fills their tiles up.",
                     where + ": " + key, "Set it to true.");
}

}  // namespace

MadeProcessor create_mllama_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  CommonSettings settings;
  settings.number_is_square = true;
  settings.resample = Resample::Bilinear;
  settings.size.height = settings.size.width = 224;
  settings.mean = settings.std = kHalves;
  LUTHIER_CHECK(always_on(config, "do_resize", where));
  LUTHIER_CHECK(always_on(config, "do_pad", where));
  LUTHIER_CHECK(read_common(config, where, settings));
  if (present(config, "size")) {
    LUTHIER_TRY(const Extent tile, read_extent(config["size"], where + ": size"));
    if (tile.width != tile.height) return input_error("Tiles must be square.", where + ": size");
    settings.size.height = settings.size.width = tile.width;
  }
  LUTHIER_TRY(const std::int64_t tiles,
              json_int_in(config, "max_image_tiles", where, 4, 1, kMaxTiles));
  return std::unique_ptr<ImageProcessor>(std::make_unique<MllamaProcessor>(settings, tiles));
}

}  // namespace luthier::detail
