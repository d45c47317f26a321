// SPDX-License-Identifier: GPL-3.0-or-later
// Idefics3's and SmolVLM's processor: the longer edge to size.longest_edge, then to whole tiles of
// max_image_size, row by row, and the whole picture last in one more tile. Without splitting, or
// when one tile holds it all, the picture is one tile and has no rows.
#include <algorithm>
#include <cmath>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

constexpr std::int64_t kLargestEdge = 4096;  // the processor's own bound, whatever its size says

struct Idefics3PictureOptions {
  CommonSettings common;
  bool split = true;
  std::int64_t tile = 364;
};

class Idefics3Processor : public ImageProcessor {
 public:
  explicit Idefics3Processor(const Idefics3PictureOptions& options)
      : options_(options), table_(options.common) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  struct Plan {
    Extent resized, tiled;  // after the first resize; whole tiles
    bool split = false;
  };
  Result<Plan> plan(Extent from) const;
  Result<PixelValues> outline(const Plan& planned) const;

  Idefics3PictureOptions options_;
  ByteTable table_;
};

double proportion(Extent extent) {
  return static_cast<double>(extent.width) / static_cast<double>(extent.height);
}
std::int64_t floor_divide(std::int64_t edge, double by) {
  return static_cast<std::int64_t>(static_cast<double>(edge) / by);
}
std::int64_t floor_multiply(std::int64_t edge, double by) {
  return static_cast<std::int64_t>(static_cast<double>(edge) * by);
}

// The longer edge to `longest`, the other in proportion and even.
Extent longest_to(Extent from, std::int64_t longest) {
  const double aspect = proportion(from);
  const bool wide = from.width >= from.height;
  std::int64_t other = wide ? floor_divide(longest, aspect) : floor_multiply(longest, aspect);
  other = std::max<std::int64_t>(other + other % 2, 1);
  return wide ? Extent{longest, other} : Extent{other, longest};
}

Extent within(Extent from, std::int64_t longest) {
  if (std::max(from.width, from.height) <= longest) return from;
  const double aspect = proportion(from);
  if (from.width >= from.height)
    return {longest, std::max<std::int64_t>(floor_divide(longest, aspect), 1)};
  return {std::max<std::int64_t>(floor_multiply(longest, aspect), 1), longest};
}

// Whole tiles: the longer edge rounded up, the other in proportion to that and rounded up.
Extent whole_tiles(Extent from, std::int64_t tile) {
  const double aspect = proportion(from);
  const auto up = [&](std::int64_t edge) { return (edge + tile - 1) / tile * tile; };
  if (from.width >= from.height) return {up(from.width), up(floor_divide(up(from.width), aspect))};
  return {up(floor_multiply(up(from.height), aspect)), up(from.height)};
}

Result<Idefics3Processor::Plan> Idefics3Processor::plan(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  Plan planned;
  planned.resized = from;
  const Size& size = options_.common.size;
  if (options_.common.do_resize)
    planned.resized = size.longest_edge ? within(longest_to(from, size.longest_edge), kLargestEdge)
                                        : Extent{size.width, size.height};
  LUTHIER_CHECK(check_resized(from, planned.resized));
  const Extent one{options_.tile, options_.tile};
  planned.tiled = options_.split ? whole_tiles(planned.resized, options_.tile) : one;
  LUTHIER_CHECK(check_resized(from, planned.tiled));
  planned.split = planned.tiled != one;
  return planned;
}

Result<PixelValues> Idefics3Processor::outline(const Plan& planned) const {
  const Extent one{options_.tile, options_.tile};
  if (!planned.split) return stacked(1, one, {0, 0});
  const std::int64_t rows = planned.tiled.height / options_.tile,
                     columns = planned.tiled.width / options_.tile;
  return stacked(rows * columns + 1, one, {rows, columns});
}

Result<PixelValues> Idefics3Processor::outline(int width, int height) const {
  LUTHIER_TRY(const Plan planned, plan({width, height}));
  return outline(planned);
}

Result<PixelValues> Idefics3Processor::process(const Image& image) const {
  LUTHIER_TRY(const Plan planned, plan({image.width, image.height}));
  LUTHIER_TRY(PixelValues pixels, outline(planned));
  const Resample filter = options_.common.resample;
  const int tile = static_cast<int>(options_.tile);
  const std::size_t length = 3 * std::size_t(tile) * std::size_t(tile);
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0]) * length);
  // Each step rounds to bytes, so none can be left out or joined with the next.
  const Image tiled = resize_to(resize_to(image, planned.resized, filter), planned.tiled, filter);
  float* out = pixels.values.data();
  for (int row = 0; row < pixels.grid[0]; ++row)
    for (int column = 0; column < pixels.grid[1]; ++column, out += length)
      table_.write(tiled, {column * tile, row * tile, tile, tile}, out);
  table_.write(planned.split ? resize(tiled, tile, tile, filter) : tiled, out);
  return pixels;
}

}  // namespace

MadeProcessor create_idefics3_processor(const Json& config, const std::string& where,
                                        const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  Idefics3PictureOptions options;
  options.common.number_is_square = true;
  options.common.resample = Resample::Lanczos;
  options.common.mean = options.common.std = kHalves;
  options.common.size.longest_edge = 4 * 364;
  LUTHIER_CHECK(read_common(config, where, options.common));
  if (present(config, "size")) {
    LUTHIER_TRY(options.common.size,
                read_size(config["size"], options.common.number_is_square, where + ": size"));
  }
  const Size& size = options.common.size;
  if (options.common.do_resize && !size.longest_edge && !(size.height && size.width))
    return input_error("The size must have longest_edge, or height and width.", where + ": size");
  LUTHIER_TRY(options.split, json_bool(config, "do_image_splitting", where, options.split));
  if (present(config, "max_image_size")) {
    const std::string field = where + ": max_image_size";
    if (!config["max_image_size"].is_object())
      return input_error("This must be an object with longest_edge.", field);
    LUTHIER_TRY(const Size tile, read_size(config["max_image_size"], true, field));
    if (!tile.longest_edge)
      return input_error("This must have longest_edge, the edge of a tile.", field);
    options.tile = tile.longest_edge;
  }
  return std::unique_ptr<ImageProcessor>(std::make_unique<Idefics3Processor>(options));
}

}  // namespace luthier::detail
