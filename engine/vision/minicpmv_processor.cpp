// SPDX-License-Identifier: GPL-3.0-or-later
// MiniCPM-V 4.6's processor: the whole picture at about scale_resolution² pixels in blocks of four
// by four patches, and, where it is larger than that, slices of about as many pixels each, in the
// arrangement whose proportions are nearest to its own. Flat patches, the whole's first.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct MiniCpmPictureOptions {
  CommonSettings common;
  bool slices = true;
  std::int64_t patch = 14, scale = 448, most_slices = 9;

  std::int64_t block() const { return 4 * patch; }
};

struct SliceGrid {
  std::int64_t rows = 0, columns = 0;  // none: the picture is not cut
};

/// To the nearest multiple, and of two as near the even one, as Python rounds; at least one.
std::int64_t whole_steps(double length, std::int64_t step) {
  const auto steps = static_cast<std::int64_t>(std::nearbyint(length / static_cast<double>(step)));
  return std::max(steps * step, step);
}

class MiniCpmProcessor : public ImageProcessor {
 public:
  explicit MiniCpmProcessor(const MiniCpmPictureOptions& options)
      : options_(options), table_(options.common) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  struct Plan {
    Extent whole, canvas;  // of the slices together
    SliceGrid grid;
  };
  Result<Plan> plan(Extent from) const;
  SliceGrid grid_of(Extent from) const;
  Extent scaled(double width, double height) const;
  Result<PixelValues> outline(const Plan& planned) const;
  float* write(const Image& view, const Region& region, float* out) const;

  MiniCpmPictureOptions options_;
  ByteTable table_;
};

/// As large as one unit is, in whole blocks. (What is smaller grows: a picture that is not cut has
/// no other size, and what is cut is larger.)
Extent MiniCpmProcessor::scaled(double width, double height) const {
  const double proportion = width / height;
  const auto down = static_cast<std::int64_t>(static_cast<double>(options_.scale) /
                                              std::sqrt(proportion)),
             across = static_cast<std::int64_t>(static_cast<double>(down) * proportion);
  return {whole_steps(static_cast<double>(across), options_.block()),
          whole_steps(static_cast<double>(down), options_.block())};
}

SliceGrid MiniCpmProcessor::grid_of(Extent from) const {
  if (!options_.slices) return {};
  const auto width = static_cast<double>(from.width), height = static_cast<double>(from.height);
  const double units = static_cast<double>(from.width * from.height) /
                       static_cast<double>(options_.scale * options_.scale);
  const double wanted = std::min(std::ceil(units), static_cast<double>(options_.most_slices));
  if (wanted <= 1) return {};
  const auto about = static_cast<std::int64_t>(wanted);
  const double proportion = std::log(width / height);
  SliceGrid best{1, 1};
  double least = std::numeric_limits<double>::infinity();
  for (const std::int64_t count : {about - 1, about, about + 1}) {
    if (count == 1 || count > options_.most_slices) continue;
    for (std::int64_t columns = 1; columns <= count; ++columns) {
      if (count % columns != 0) continue;
      const std::int64_t rows = count / columns;
      const double away = std::fabs(
          proportion - std::log(static_cast<double>(columns) / static_cast<double>(rows)));
      if (!(away < least)) continue;
      least = away;
      best = {rows, columns};
    }
  }
  return best;
}

Result<MiniCpmProcessor::Plan> MiniCpmProcessor::plan(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  Plan planned;
  planned.grid = grid_of(from);
  planned.whole = planned.canvas = from;
  const std::int64_t rows = planned.grid.rows, columns = planned.grid.columns;
  if (!options_.common.do_resize) {
    const std::int64_t block = options_.block();
    const std::int64_t down = block * std::max<std::int64_t>(rows, 1),
                       across = block * std::max<std::int64_t>(columns, 1);
    if (from.width % across == 0 && from.height % down == 0) return planned;
    return input_error("The picture of " + std::to_string(from.width) + " x " +
                           std::to_string(from.height) + " pixels does not divide into blocks of " +
                           std::to_string(block) + ", and do_resize is off.",
                       {},
                       "Resize it, or set do_resize to true in the picture processor's settings.");
  }
  planned.whole = scaled(static_cast<double>(from.width), static_cast<double>(from.height));
  LUTHIER_CHECK(check_resized(from, planned.whole));
  if (rows == 0) return planned;
  const auto share = [](std::int64_t side, std::int64_t parts) {
    return static_cast<double>(whole_steps(static_cast<double>(side), parts)) /
           static_cast<double>(parts);
  };
  const Extent slice = scaled(share(from.width, columns), share(from.height, rows));
  planned.canvas = {slice.width * columns, slice.height * rows};
  LUTHIER_CHECK(check_resized(from, planned.canvas));
  return planned;
}

Result<PixelValues> MiniCpmProcessor::outline(const Plan& planned) const {
  const std::int64_t patch = options_.patch, length = 3 * patch * patch;
  const auto [rows, columns] = planned.grid;
  const std::int64_t down = rows > 0 ? planned.canvas.height / rows / patch : 0,
                     across = rows > 0 ? planned.canvas.width / columns / patch : 0;
  const std::int64_t whole_down = planned.whole.height / patch,
                     whole_across = planned.whole.width / patch;
  const std::int64_t patches = whole_down * whole_across + rows * columns * down * across;
  LUTHIER_CHECK(check_patches(patches, length));
  return PixelValues{
      {}, {patches, length}, {rows, columns, down, across, whole_down, whole_across}};
}

Result<PixelValues> MiniCpmProcessor::outline(int width, int height) const {
  LUTHIER_TRY(const Plan planned, plan({width, height}));
  return outline(planned);
}

/// The region's patches, row by row.
float* MiniCpmProcessor::write(const Image& view, const Region& region, float* out) const {
  const int patch = static_cast<int>(options_.patch);
  const std::size_t area = std::size_t(patch) * std::size_t(patch);
  for (int top = 0; top < region.height; top += patch)
    for (int left = 0; left < region.width; left += patch, out += 3 * area)
      table_.write(view, {region.left + left, region.top + top, patch, patch}, out,
                   std::size_t(patch), area);
  return out;
}

Result<PixelValues> MiniCpmProcessor::process(const Image& image) const {
  LUTHIER_TRY(const Plan planned, plan({image.width, image.height}));
  LUTHIER_TRY(PixelValues pixels, outline(planned));
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0] * pixels.shape[1]));
  float* out = pixels.values.data();
  const auto resized = [&](Extent to) {
    return options_.common.do_resize ? resize_to(image, to, options_.common.resample) : image;
  };
  const Image whole = resized(planned.whole);
  out = write(whole, {0, 0, whole.width, whole.height}, out);
  const int rows = static_cast<int>(planned.grid.rows),
            columns = static_cast<int>(planned.grid.columns);
  if (rows == 0) return pixels;
  const Image canvas = resized(planned.canvas);
  const int width = canvas.width / columns, height = canvas.height / rows;
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column)
      out = write(canvas, {column * width, row * height, width, height}, out);
  return pixels;
}

}  // namespace

MadeProcessor create_minicpmv_processor(const Json& config, const std::string& where,
                                        const PixelLimits& limits) {
  if (limits.any())
    return input_error(
        "This model's processor bounds a picture's slices, so it has no pixel limits to change.",
        "image.min_pixels, image.max_pixels",
        "Leave both null, or set max_slice_nums in the picture processor's settings.");
  MiniCpmPictureOptions o;
  o.common.mean = o.common.std = kHalves;
  LUTHIER_CHECK(read_common(config, where, o.common));
  LUTHIER_TRY(o.slices, json_bool(config, "slice_mode", where, o.slices));
  LUTHIER_TRY(o.patch, json_int_in(config, "patch_size", where, o.patch, 1, 1024));
  LUTHIER_TRY(o.scale, json_int_in(config, "scale_resolution", where, o.scale, 1, kMaxEdge));
  LUTHIER_TRY(o.most_slices,
              json_int_in(config, "max_slice_nums", where, o.most_slices, 1, kMaxTiles - 1));
  return std::unique_ptr<ImageProcessor>(std::make_unique<MiniCpmProcessor>(o));
}

}  // namespace luthier::detail
