// SPDX-License-Identifier: GPL-3.0-or-later
// LFM2-VL's processor: a picture in whole blocks of downsample_factor patches within bounds on its
// tokens; one that is far above them is cut into tiles, in the arrangement whose proportions are
// nearest to its own, with the whole as a thumbnail behind them. Flat patches, channels innermost.
// transformers has it for torchvision alone: ATen's resize, and bytes to numbers in one step.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct Lfm2VlOptions {
  CommonSettings common;
  bool splits = true, thumbnail = true;
  std::int64_t patch = 16, factor = 2, tile = 512;
  std::int64_t min_tiles = 2, max_tiles = 10, min_tokens = 64, max_tokens = 256;
  double tolerance = 2.0;

  std::int64_t block() const { return patch * factor; }
};

struct TileGrid {
  std::int64_t columns = 0, rows = 0;  // none: the picture stays whole
};

class Lfm2VlProcessor : public ImageProcessor {
 public:
  explicit Lfm2VlProcessor(const Lfm2VlOptions& options);

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  std::int64_t rounded(std::int64_t side, std::int64_t least) const;
  Extent whole(Extent from) const;
  TileGrid tiles(Extent from) const;
  float* write(const Image& view, const Region& region, float* out) const;

  Lfm2VlOptions options_;
  ByteTable table_;
  std::vector<TileGrid> grids_;
};

Lfm2VlProcessor::Lfm2VlProcessor(const Lfm2VlOptions& options)
    : options_(options), table_(options.common, Backend::Torchvision) {
  if (!options_.splits || (options_.min_tiles == 1 && options_.max_tiles == 1)) return;
  for (std::int64_t columns = 1; columns <= options_.max_tiles; ++columns)
    for (std::int64_t rows = 1; columns * rows <= options_.max_tiles; ++rows)
      if (columns * rows >= options_.min_tiles) grids_.push_back({columns, rows});
  std::stable_sort(grids_.begin(), grids_.end(), [](const TileGrid& a, const TileGrid& b) {
    return a.columns * a.rows < b.columns * b.rows;
  });
}

/// To the nearest block, and of two as near the even one, as Python rounds.
std::int64_t Lfm2VlProcessor::rounded(std::int64_t side, std::int64_t least) const {
  const double blocks = static_cast<double>(side) / static_cast<double>(options_.block());
  return std::max(least, static_cast<std::int64_t>(std::nearbyint(blocks)) * options_.block());
}

Extent Lfm2VlProcessor::whole(Extent from) const {
  const std::int64_t block = options_.block(), square = block * block;
  const std::int64_t least = options_.min_tokens * square, most = options_.max_tokens * square;
  const auto width = static_cast<double>(from.width), height = static_cast<double>(from.height),
             edge = static_cast<double>(block);
  Extent to{rounded(from.width, block), rounded(from.height, block)};
  if (to.width * to.height > most) {
    const double shrink = std::sqrt(height * width / static_cast<double>(most));
    const auto blocks = [&](double side) {
      return std::max(block, static_cast<std::int64_t>(std::floor(side / shrink / edge)) * block);
    };
    return {blocks(width), blocks(height)};
  }
  if (to.width * to.height < least) {
    const double grow = std::sqrt(static_cast<double>(least) / (height * width));
    const auto blocks = [&](double side) {
      return static_cast<std::int64_t>(std::ceil(side * grow / edge)) * block;
    };
    return {blocks(width), blocks(height)};
  }
  return to;
}

TileGrid Lfm2VlProcessor::tiles(Extent from) const {
  const std::int64_t square = options_.block() * options_.block();
  const auto area = static_cast<double>(rounded(from.width, options_.patch) *
                                        rounded(from.height, options_.patch));
  TileGrid best;
  if (!(area > static_cast<double>(options_.max_tokens * square) * options_.tolerance)) return best;
  const double proportion = static_cast<double>(from.width) / static_cast<double>(from.height);
  const auto own = static_cast<double>(from.width * from.height);
  double nearest = std::numeric_limits<double>::infinity();
  for (const TileGrid& grid : grids_) {
    const double difference =
        std::fabs(proportion - static_cast<double>(grid.columns) / static_cast<double>(grid.rows));
    // Of equals, more tiles as long as the picture covers more than half of them.
    const bool covered =
        own > 0.5 * static_cast<double>(options_.tile * options_.tile * grid.columns * grid.rows);
    if (difference > nearest || (difference == nearest && !covered)) continue;
    nearest = difference;
    best = grid;
  }
  return best;
}

Result<PixelValues> Lfm2VlProcessor::outline(int width, int height) const {
  LUTHIER_CHECK(check_picture(width, height));
  const Extent from{width, height};
  const TileGrid grid = tiles(from);
  const std::int64_t count = grid.columns * grid.rows, side = options_.tile / options_.patch,
                     length = 3 * options_.patch * options_.patch;
  if (count > 0)
    LUTHIER_CHECK(check_resized(from, {options_.tile * grid.columns, options_.tile * grid.rows}));
  Extent view = whole(from);
  // Of one tile alone there is no thumbnail.
  if (count == 1 || (count > 1 && !options_.thumbnail)) view = {};
  if (view.width > 0) LUTHIER_CHECK(check_resized(from, view));
  const std::int64_t rows = view.height / options_.patch, columns = view.width / options_.patch;
  const std::int64_t patches = count * side * side + rows * columns;
  LUTHIER_CHECK(check_patches(patches, length));
  return PixelValues{
      {}, {patches, length}, {grid.rows, grid.columns, count > 0 ? side : 0, rows, columns}};
}

/// The region's patches, row by row.
float* Lfm2VlProcessor::write(const Image& view, const Region& region, float* out) const {
  const int patch = static_cast<int>(options_.patch);
  for (int top = 0; top < region.height; top += patch)
    for (int left = 0; left < region.width; left += patch)
      for (int y = 0; y < patch; ++y) {
        const std::uint8_t* from =
            view.rgb.data() + (std::size_t(region.top + top + y) * std::size_t(view.width) +
                               std::size_t(region.left + left)) *
                                  3;
        for (int x = 0; x < patch; ++x, from += 3)
          for (std::size_t channel = 0; channel < 3; ++channel)
            *out++ = table_.channel(channel)[from[channel]];
      }
  return out;
}

Result<PixelValues> Lfm2VlProcessor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0] * pixels.shape[1]));
  float* out = pixels.values.data();
  const auto resized = [&](std::int64_t width, std::int64_t height) {
    return resize_as_torch(image, static_cast<int>(width), static_cast<int>(height),
                           options_.common.resample);
  };
  const int rows = static_cast<int>(pixels.grid[0]), columns = static_cast<int>(pixels.grid[1]),
            tile = static_cast<int>(options_.tile);
  if (rows > 0) {
    const Image canvas = resized(options_.tile * columns, options_.tile * rows);
    for (int row = 0; row < rows; ++row)
      for (int column = 0; column < columns; ++column)
        out = write(canvas, {column * tile, row * tile, tile, tile}, out);
  }
  if (pixels.grid[3] > 0) {
    const Image view = resized(pixels.grid[4] * options_.patch, pixels.grid[3] * options_.patch);
    write(view, {0, 0, view.width, view.height}, out);
  }
  return pixels;
}

}  // namespace

MadeProcessor create_lfm2_vl_processor(const Json& config, const std::string& where,
                                       const PixelLimits& limits) {
  if (limits.any())
    return input_error(
        "This model's processor bounds a picture's tokens, so it has no pixel limits to change.",
        "image.min_pixels, image.max_pixels",
        "Leave both null, or set max_image_tokens in the picture processor's settings.");
  Lfm2VlOptions o;
  o.common.resample = Resample::Bilinear;
  o.common.mean = o.common.std = kHalves;
  LUTHIER_CHECK(read_common(config, where, o.common));
  if (o.common.resample != Resample::Bilinear && o.common.resample != Resample::Bicubic)
    return input_error("This processor's pictures are resized bilinearly (2) or bicubically (3).",
                       where + ": resample");
  LUTHIER_TRY(o.splits, json_bool(config, "do_image_splitting", where, o.splits));
  LUTHIER_TRY(o.thumbnail, json_bool(config, "use_thumbnail", where, o.thumbnail));
  LUTHIER_TRY(o.patch, json_int_in(config, "encoder_patch_size", where, o.patch, 1, 1024));
  LUTHIER_TRY(o.factor, json_int_in(config, "downsample_factor", where, o.factor, 1, 64));
  LUTHIER_TRY(o.tile, json_int_in(config, "tile_size", where, o.tile, 1, kMaxEdge));
  LUTHIER_TRY(o.min_tiles, json_int_in(config, "min_tiles", where, o.min_tiles, 1, kMaxTiles - 1));
  LUTHIER_TRY(o.max_tiles, json_int_in(config, "max_tiles", where, o.max_tiles, 1, kMaxTiles - 1));
  LUTHIER_TRY(o.min_tokens,
              json_int_in(config, "min_image_tokens", where, o.min_tokens, 1, 1 << 20));
  LUTHIER_TRY(o.max_tokens,
              json_int_in(config, "max_image_tokens", where, o.max_tokens, 1, 1 << 20));
  LUTHIER_TRY(o.tolerance, json_number(config, "max_pixels_tolerance", where, o.tolerance));
  if (!std::isfinite(o.tolerance) || o.tolerance < 0)
    return input_error("A number from 0 on is expected.", where + ": max_pixels_tolerance");
  if (o.splits && o.min_tiles > o.max_tiles)
    return input_error("min_tiles is larger than max_tiles.", where + ": min_tiles");
  if (o.splits && o.tile % o.block() != 0)
    return input_error(
        "Tiles of " + std::to_string(o.tile) + " pixels do not divide into blocks of " +
            std::to_string(o.block()) + ".",
        where + ": tile_size", "A block is downsample_factor patches along either side.");
  return std::unique_ptr<ImageProcessor>(std::make_unique<Lfm2VlProcessor>(o));
}

}  // namespace luthier::detail
