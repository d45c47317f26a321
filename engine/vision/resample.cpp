// SPDX-License-Identifier: GPL-3.0-or-later
// Pillow's resampling of 8-bit pictures: each output sample is a window of input samples under a
// filter that widens when shrinking, with weights in fixed point of 22 fractional bits; two passes,
// rounded to a byte between them. Which pass comes first is Pillow 13's rule (see rows_first), and
// part of the result: equal to the pixel
// (https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters). torchvision's resize of
// bytes, which is ATen's, has the same windows; its weights have as many fractional bits as the
// largest leaves room for in 16, and columns come first.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "engine/vision/image.h"

namespace luthier {

namespace {

constexpr int kPrecisionBits =
    32 - 8 - 2;  // a byte times a weight, summed, with room for negative lobes

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double triangle(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
  x = std::fabs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  return std::sin(x) / x *
         (0.54f + 0.46f * std::cos(x));  // Pillow rounds the two constants to floats
}

double cubic(double x) {
  constexpr double kSharpness = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((kSharpness + 2.0) * x - (kSharpness + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kSharpness;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double (*weight)(double);
  double support;
};

Kernel kernel_of(Resample filter) {
  switch (filter) {
    case Resample::Box: return {box, 0.5};
    case Resample::Hamming: return {hamming, 1.0};
    case Resample::Bicubic: return {cubic, 2.0};
    case Resample::Lanczos: return {lanczos, 3.0};
    default: return {triangle, 1.0};
  }
}

struct Span {
  int first = 0, count = 0;  // input samples
};

// The windows and weights of output samples [begin, begin + windows.size()).
struct Taps {
  std::vector<Span> windows;
  std::vector<std::int32_t> weights;  // [output, size]
  int size = 0;
  int bits = kPrecisionBits;  // of a weight's fraction

  const std::int32_t* of(std::size_t output) const {
    return weights.data() + output * std::size_t(size);
  }
  Span span() const {
    return {windows.front().first,
            windows.back().first + windows.back().count - windows.front().first};
  }
};

enum class Weights { OfPillow, OfAten };

/// ATen's: one bit less than would bring the largest weight to 2^15, and 22 at most.
int bits_of_aten(double largest) {
  int bits = 0;
  while (bits < 22 && static_cast<int>(0.5 + largest * (1 << (bits + 1))) < (1 << 15)) ++bits;
  return bits;
}

Taps make_taps(int input, int output, int begin, int count, Resample filter,
               Weights kind = Weights::OfPillow) {
  const Kernel kernel = kernel_of(filter);
  const double scale = static_cast<double>(input) / output;
  const double widening = std::max(scale, 1.0);
  const double support = kernel.support * widening;
  const double narrowing = 1.0 / widening;
  Taps taps;
  taps.size = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.windows.resize(static_cast<std::size_t>(count));
  taps.weights.resize(static_cast<std::size_t>(count) * static_cast<std::size_t>(taps.size));
  std::vector<double> all(taps.weights.size());
  double largest = 0.0;
  for (int i = 0; i < count; ++i) {
    const double center = (begin + i + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int last = std::min(static_cast<int>(center + support + 0.5), input);
    const int width = last - first;
    double* exact = all.data() + std::size_t(i) * std::size_t(taps.size);
    double total = 0.0;
    for (int k = 0; k < width; ++k) {
      exact[k] = kernel.weight((k + first - center + 0.5) * narrowing);
      total += exact[k];
    }
    taps.windows[std::size_t(i)] = {first, width};
    for (int k = 0; k < width; ++k) {
      if (total != 0.0) exact[k] /= total;
      largest = std::max(largest, exact[k]);
    }
  }
  if (kind == Weights::OfAten) taps.bits = bits_of_aten(largest);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double scaled = all[i] * (1 << taps.bits);
    taps.weights[i] = static_cast<std::int32_t>(all[i] < 0 ? scaled - 0.5 : scaled + 0.5);
  }
  return taps;
}

inline std::uint8_t to_byte(std::int32_t sum, int bits) {
  return static_cast<std::uint8_t>(std::clamp(sum >> bits, 0, 255));
}

constexpr std::int32_t half_of(int bits) { return bits > 0 ? 1 << (bits - 1) : 0; }

// Rows [first_row, first_row + rows) of `image`, resampled along x; windows are in columns of
// `image` plus `shift`.
Image resample_columns(const Image& image, const Taps& taps, int first_row, int rows,
                       int shift = 0) {
  Image out;
  out.width = static_cast<int>(taps.windows.size());
  out.height = rows;
  out.rgb.resize(taps.windows.size() * std::size_t(rows) * 3);
  const int bits = taps.bits;
  const std::int32_t half = half_of(bits);
  for (int y = 0; y < rows; ++y) {
    const std::uint8_t* row =
        image.rgb.data() + std::size_t(first_row + y) * std::size_t(image.width) * 3;
    std::uint8_t* to = out.rgb.data() + std::size_t(y) * taps.windows.size() * 3;
    for (std::size_t x = 0; x < taps.windows.size(); ++x, to += 3) {
      const Span window = taps.windows[x];
      const std::int32_t* weights = taps.of(x);
      const std::uint8_t* from = row + std::size_t(window.first - shift) * 3;
      std::int32_t red = half, green = half, blue = half;
      for (int k = 0; k < window.count; ++k) {
        red += from[3 * k] * weights[k];
        green += from[3 * k + 1] * weights[k];
        blue += from[3 * k + 2] * weights[k];
      }
      to[0] = to_byte(red, bits);
      to[1] = to_byte(green, bits);
      to[2] = to_byte(blue, bits);
    }
  }
  return out;
}

// Resampled along y; windows are in rows of `image` plus `shift`.
Image resample_rows(const Image& image, const Taps& taps, int shift) {
  Image out;
  out.width = image.width;
  out.height = static_cast<int>(taps.windows.size());
  const std::size_t stride = std::size_t(image.width) * 3;
  out.rgb.resize(stride * taps.windows.size());
  std::vector<std::int32_t> sums(stride);
  for (std::size_t y = 0; y < taps.windows.size(); ++y) {
    std::fill(sums.begin(), sums.end(), half_of(taps.bits));
    const Span window = taps.windows[y];
    for (int k = 0; k < window.count; ++k) {
      const std::uint8_t* row = image.rgb.data() + std::size_t(window.first - shift + k) * stride;
      const std::int32_t weight = taps.of(y)[k];
      std::int32_t* sum = sums.data();
      for (std::size_t i = 0; i < stride; ++i) sum[i] += row[i] * weight;
    }
    std::uint8_t* to = out.rgb.data() + y * stride;
    for (std::size_t i = 0; i < stride; ++i) to[i] = to_byte(sums[i], taps.bits);
  }
  return out;
}

// Input positions of nearest-neighbour sampling; Pillow adds the step up, and so its rounding.
std::vector<int> nearest_positions(int input, int output, int begin, int count) {
  const double step = static_cast<double>(input) / output;
  double at = step * 0.5;
  std::vector<int> positions;
  positions.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < begin + count; ++i, at += step)
    if (i >= begin) positions.push_back(std::min(static_cast<int>(at), input - 1));
  return positions;
}

Image copy_region(const Image& image, const Region& region) {
  Image out;
  out.width = region.width;
  out.height = region.height;
  out.rgb.resize(std::size_t(region.width) * std::size_t(region.height) * 3);
  const std::size_t stride = std::size_t(region.width) * 3;
  for (int y = 0; y < region.height; ++y)
    std::memcpy(
        out.rgb.data() + std::size_t(y) * stride,
        image.rgb.data() +
            (std::size_t(region.top + y) * std::size_t(image.width) + std::size_t(region.left)) * 3,
        stride);
  return out;
}

Image nearest_region(const Image& image, int width, int height, const Region& region) {
  const std::vector<int> columns = nearest_positions(image.width, width, region.left, region.width);
  const std::vector<int> rows = nearest_positions(image.height, height, region.top, region.height);
  Image out;
  out.width = region.width;
  out.height = region.height;
  out.rgb.resize(columns.size() * rows.size() * 3);
  std::uint8_t* to = out.rgb.data();
  for (const int y : rows)
    for (const int x : columns) {
      std::memcpy(
          to, image.rgb.data() + (std::size_t(y) * std::size_t(image.width) + std::size_t(x)) * 3,
          3);
      to += 3;
    }
  return out;
}

// Pillow 13 takes the rows first when the height shrinks by more than twice what the width does
// (earlier versions never did).
bool rows_first(const Image& image, int width, int height) {
  return image.height > height && image.height - height > 2 * (image.width - width);
}

}  // namespace

Image resize_region(const Image& image, int width, int height, Resample filter,
                    const Region& region) {
  // An axis that keeps its size is copied, not filtered.
  if (width == image.width && height == image.height) return copy_region(image, region);
  if (filter == Resample::Nearest) return nearest_region(image, width, height, region);
  Taps columns, rows;
  Span used_columns{region.left, region.width},
      used_rows{region.top, region.height};  // what the region needs of the picture
  if (width != image.width) {
    columns = make_taps(image.width, width, region.left, region.width, filter);
    used_columns = columns.span();
  }
  if (height != image.height) {
    rows = make_taps(image.height, height, region.top, region.height, filter);
    used_rows = rows.span();
  }
  if (width == image.width || (height != image.height && rows_first(image, width, height))) {
    const Image stretch = copy_region(
        image, {used_columns.first, used_rows.first, used_columns.count, used_rows.count});
    const Image tall = resample_rows(stretch, rows, used_rows.first);
    return width == image.width
               ? tall
               : resample_columns(tall, columns, 0, region.height, used_columns.first);
  }
  const Image wide = resample_columns(image, columns, used_rows.first, used_rows.count);
  return height == image.height ? wide : resample_rows(wide, rows, used_rows.first);
}

Image resize(const Image& image, int width, int height, Resample filter) {
  return resize_region(image, width, height, filter, {0, 0, width, height});
}

Image resize_as_torch(const Image& image, int width, int height, Resample filter) {
  const auto taps_of = [&](int from, int to) {
    return make_taps(from, to, 0, to, filter, Weights::OfAten);
  };
  const Image wide = width == image.width
                         ? image
                         : resample_columns(image, taps_of(image.width, width), 0, image.height);
  return height == image.height ? wide : resample_rows(wide, taps_of(image.height, height), 0);
}

Image thumbnail(const Image& image, int longest_edge) {
  const int longest = std::max(image.width, image.height);
  if (longest <= longest_edge) return image;
  const auto shrunk = [&](int edge) {
    return std::max(
        1, static_cast<int>(std::lround(static_cast<double>(edge) * longest_edge / longest)));
  };
  return resize(image, shrunk(image.width), shrunk(image.height), Resample::Bilinear);
}

Image center_crop(const Image& image, int width, int height) {
  // Where the picture starts in the crop: minus half the difference, the half rounded down (towards
  // minus infinity).
  const auto offset = [](int edge, int crop) {
    return edge >= crop ? -((edge - crop) / 2) : (crop - edge + 1) / 2;
  };
  Image out;
  out.width = width;
  out.height = height;
  out.rgb.assign(std::size_t(width) * std::size_t(height) * 3, 0);
  const int left = offset(image.width, width), top = offset(image.height, height);
  const int from_x = std::max(0, -left), to_x = std::max(0, left),
            count = std::min(image.width - from_x, width - to_x);
  for (int y = std::max(0, top); y < height && y - top < image.height; ++y)
    std::memcpy(out.rgb.data() + (std::size_t(y) * std::size_t(width) + std::size_t(to_x)) * 3,
                image.rgb.data() +
                    (std::size_t(y - top) * std::size_t(image.width) + std::size_t(from_x)) * 3,
                std::size_t(count) * 3);
  return out;
}

}  // namespace luthier
