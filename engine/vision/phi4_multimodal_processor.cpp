// SPDX-License-Identifier: GPL-3.0-or-later
// Phi-4-multimodal's processor: a picture as large as it fits over as many squares as it covers, or
// over the arrangement of at most `dynamic_hd` of them whose proportions are nearest, white right
// of it and below; before the squares the whole of that, shrunk to one. transformers has it for
// torchvision alone: ATen's resize of bytes, bytes to numbers in one step, and for the whole a
// resize of numbers that looks at no more pixels than when it enlarges.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "engine/vision/processors.h"
#include "engine/vision/tiles.h"

namespace luthier::detail {

namespace {

struct Phi4PictureSettings {
  CommonSettings common;
  std::int64_t side = 448, patch = 14, most = 36;
};

constexpr std::int64_t kLeastShown = 10;  // pixels of either edge; what is narrower is refused

/// How a picture lies on its squares.
struct Phi4Canvas {
  Arrangement squares;
  Extent shown;                               ///< of the picture, in the upper left corner
  std::int64_t patches_down, patches_across;  ///< that show some of it
};

/// What a number of the whole is made of along one axis, of which `factor` numbers become one: the
/// first one, counted from those `factor`, and the shares of it and of those behind it.
struct Shares {
  int first = 0;
  std::vector<float> of;

  /// Rounded as ATen's loops are where the processor multiplies and adds in one step.
  float sum(const std::array<float, 4>& numbers) const {
    if (of.size() == 1) return numbers[0];
    float sum = std::fma(numbers[0], of[0], numbers[1] * of[1]);
    for (std::size_t i = 2; i < of.size(); ++i) sum = std::fma(numbers[i], of[i], sum);
    return sum;
  }
};

Shares shares_of(Resample filter, int factor) {
  if (factor % 2 == 1) return {factor / 2, {1}};  // the middle one stands where the new one does
  if (filter == Resample::Bilinear) return {factor / 2 - 1, {0.5F, 0.5F}};
  return {factor / 2 - 2, {-0.09375F, 0.59375F, 0.59375F, -0.09375F}};  // half way, of −0.75
}

Image on_white(const Image& image, Extent canvas) {
  Image out;
  out.width = static_cast<int>(canvas.width), out.height = static_cast<int>(canvas.height);
  out.rgb.assign(std::size_t(out.width) * std::size_t(out.height) * 3, 255);
  const std::size_t row = std::size_t(image.width) * 3;
  for (int y = 0; y < image.height; ++y)
    std::memcpy(out.rgb.data() + std::size_t(y) * std::size_t(out.width) * 3,
                image.rgb.data() + std::size_t(y) * row, row);
  return out;
}

class Phi4MultimodalProcessor : public ImageProcessor {
 public:
  explicit Phi4MultimodalProcessor(const Phi4PictureSettings& settings)
      : settings_(settings),
        table_(settings.common, Backend::Torchvision),
        arrangements_(arrangements(1, settings.most)) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  Result<Phi4Canvas> lay(Extent from) const;
  float* write_whole(const Image& canvas, float* out) const;

  Phi4PictureSettings settings_;
  ByteTable table_;
  std::vector<Arrangement> arrangements_;
};

Result<Phi4Canvas> Phi4MultimodalProcessor::lay(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  const std::int64_t side = settings_.side, along = side / settings_.patch;
  Phi4Canvas made;
  made.squares = {(from.width + side - 1) / side, (from.height + side - 1) / side};
  if (made.squares.columns * made.squares.rows > settings_.most)
    made.squares = nearest_arrangement(arrangements_, from, {side, side});
  const Extent canvas{side * made.squares.columns, side * made.squares.rows};
  LUTHIER_CHECK(check_resized(from, canvas));
  const auto width = static_cast<double>(from.width), height = static_cast<double>(from.height);
  const double across = static_cast<double>(canvas.width) / width,
               down = static_cast<double>(canvas.height) / height;
  made.shown = canvas;
  if (across < down)
    made.shown.height = static_cast<std::int64_t>(height * across);
  else
    made.shown.width = static_cast<std::int64_t>(width * down);
  made.patches_down =
      along * made.squares.rows - (canvas.height - made.shown.height) / settings_.patch;
  made.patches_across =
      along * made.squares.columns - (canvas.width - made.shown.width) / settings_.patch;
  const bool empty = made.patches_down <= along * (made.squares.rows - 1) ||
                     made.patches_across <= along * (made.squares.columns - 1);
  if (empty || std::min(made.shown.width, made.shown.height) < kLeastShown)
    return input_error("The picture of " + std::to_string(from.width) + " x " +
                           std::to_string(from.height) + " pixels is too narrow for this model.",
                       {}, "Crop it.");
  return made;
}

Result<PixelValues> Phi4MultimodalProcessor::outline(int width, int height) const {
  LUTHIER_TRY(const Phi4Canvas made, lay({width, height}));
  const Arrangement& squares = made.squares;
  return stacked(1 + squares.rows * squares.columns, {settings_.side, settings_.side},
                 {squares.rows, squares.columns, made.patches_down, made.patches_across});
}

/// Bicubically sums of sums: of each line, then of those. Bilinearly one sum of all corners.
float* Phi4MultimodalProcessor::write_whole(const Image& canvas, float* out) const {
  const int side = static_cast<int>(settings_.side);
  const int wide = canvas.width / side, tall = canvas.height / side;
  const Shares across = shares_of(settings_.common.resample, wide),
               down = shares_of(settings_.common.resample, tall);
  const bool corners = settings_.common.resample == Resample::Bilinear;
  std::array<float, 4> lines{}, line{};
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const auto& number = table_.channel(channel);
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x) {
        float sum = 0;
        for (std::size_t i = 0; i < down.of.size(); ++i) {
          const int row =
              std::clamp(y * tall + down.first + static_cast<int>(i), 0, canvas.height - 1);
          const std::uint8_t* bytes =
              canvas.rgb.data() + std::size_t(row) * std::size_t(canvas.width) * 3 + channel;
          for (std::size_t j = 0; j < across.of.size(); ++j) {
            const int column =
                std::clamp(x * wide + across.first + static_cast<int>(j), 0, canvas.width - 1);
            line[j] = number[bytes[3 * column]];
            sum = std::fma(line[j], down.of[i] * across.of[j], sum);
          }
          if (!corners) lines[i] = across.sum(line);
        }
        *out++ = corners ? sum : down.sum(lines);
      }
  }
  return out;
}

Result<PixelValues> Phi4MultimodalProcessor::process(const Image& image) const {
  LUTHIER_TRY(const Phi4Canvas made, lay({image.width, image.height}));
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const std::int64_t side = settings_.side;
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0] * 3 * side * side));
  const Image shown = resize_as_torch(image, static_cast<int>(made.shown.width),
                                      static_cast<int>(made.shown.height), Resample::Bilinear);
  const Image canvas = on_white(shown, {side * made.squares.columns, side * made.squares.rows});
  float* out = write_whole(canvas, pixels.values.data());
  write_tiles(table_, canvas, {side, side}, made.squares, out);
  return pixels;
}

}  // namespace

MadeProcessor create_phi4_multimodal_processor(const Json& config, const std::string& where,
                                               const PixelLimits& limits) {
  if (limits.any())
    return input_error(
        "This model's processor bounds the squares of a picture, so it has no pixel limits to "
        "change.",
        "image.min_pixels, image.max_pixels",
        "Leave both null, or set dynamic_hd in the picture processor's settings.");
  Phi4PictureSettings o;
  o.common.number_is_square = true;
  o.common.mean = o.common.std = kHalves;
  o.common.size.height = o.common.size.width = o.side;
  LUTHIER_CHECK(read_common(config, where, o.common));
  if (o.common.resample != Resample::Bilinear && o.common.resample != Resample::Bicubic)
    return input_error("This processor's pictures are resized bilinearly (2) or bicubically (3).",
                       where + ": resample");
  if (!o.common.do_rescale && !o.common.do_normalize)
    return input_error(
        "The whole picture is shrunk as numbers, and neither rescaled nor normalized it is bytes.",
        where + ": do_rescale", "Set do_rescale or do_normalize to true.");
  LUTHIER_CHECK(read_resize_size(config, where, o.common));
  o.side = o.common.size.height;
  if (o.side == 0 || o.common.size.width != o.side)
    return input_error("A size whose height and width are one number is expected.",
                       where + ": size");
  LUTHIER_TRY(o.patch, json_int_in(config, "patch_size", where, o.patch, 1, 1024));
  LUTHIER_TRY(o.most, json_int_in(config, "dynamic_hd", where, o.most, 1, kMaxTiles - 1));
  if (o.side % o.patch != 0)
    return input_error("Squares of " + std::to_string(o.side) +
                           " pixels do not divide into patches of " + std::to_string(o.patch) + ".",
                       where + ": size");
  return std::unique_ptr<ImageProcessor>(std::make_unique<Phi4MultimodalProcessor>(o));
}

}  // namespace luthier::detail
