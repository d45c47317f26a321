// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/mask.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace luthier {

namespace {

using Point = std::pair<double, double>;
using Outline = std::vector<Point>;

constexpr const char* kShapeForms =
    "A mask is a picture of black and white, a box [x1, y1, x2, y2], or a list of polygons "
    "[[[x, y], …], …], in pixels.";

bool is_numbers(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& each) {
           return each.is_number() && std::isfinite(each.get<double>());
         });
}

bool is_points(const Json& value) {
  return value.is_array() && value.size() >= 3 &&
         std::all_of(value.begin(), value.end(),
                     [](const Json& each) { return is_numbers(each) && each.size() == 2; });
}

/// One box or polygon.
Result<Outline> outline_of(const Json& shape, const std::string& where) {
  Outline outline;
  if (is_points(shape)) {
    for (const Json& point : shape)
      outline.emplace_back(point[0].get<double>(), point[1].get<double>());
    return outline;
  }
  if (!is_numbers(shape) || shape.size() < 4 || shape.size() % 2 != 0)
    return input_error("The mask is neither a box nor a list of points.", where, kShapeForms);
  if (shape.size() == 4) {
    const double left = shape[0], top = shape[1], right = shape[2], bottom = shape[3];
    if (!(left < right) || !(top < bottom))
      return input_error("The box's second corner must lie right of its first and below it.", where,
                         "A box is [x1, y1, x2, y2].");
    return Outline{{left, top}, {right, top}, {right, bottom}, {left, bottom}};
  }
  for (std::size_t i = 0; i < shape.size(); i += 2)
    outline.emplace_back(shape[i].get<double>(), shape[i + 1].get<double>());
  return outline;
}

Result<std::vector<Outline>> outlines_of(const Json& shapes, ImageSize size,
                                         const std::string& where) {
  std::vector<Outline> outlines;
  if (is_numbers(shapes) || is_points(shapes)) {
    LUTHIER_TRY(Outline one, outline_of(shapes, where));
    outlines.push_back(std::move(one));
  } else {
    if (!shapes.is_array() || shapes.empty())
      return input_error("The mask is empty, or no list of shapes.", where, kShapeForms);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      LUTHIER_TRY(Outline each, outline_of(shapes[i], where + "[" + std::to_string(i) + "]"));
      outlines.push_back(std::move(each));
    }
  }
  constexpr std::size_t kMostPoints = 1 << 14;
  std::size_t points = 0;
  for (const Outline& outline : outlines) points += outline.size();
  if (points > kMostPoints)
    return input_error("The mask's outlines have " + std::to_string(points) + " points.", where,
                       "At most " + std::to_string(kMostPoints) +
                           " are read: give a picture of the mask instead.");
  constexpr double kBeyond = 1;  // a border may be drawn along the last pixels' outer edge
  for (const Outline& outline : outlines) {
    for (const auto& [x, y] : outline) {
      if (x >= -kBeyond && y >= -kBeyond && x <= size.width + kBeyond && y <= size.height + kBeyond)
        continue;
      return input_error("The mask reaches outside its picture of " + std::to_string(size.width) +
                             " x " + std::to_string(size.height) + " pixels.",
                         where, "Its points are pixels of the picture, from the top left corner.");
    }
  }
  return outlines;
}

/// Marks the pixels whose centres lie inside.
void fill(const Outline& outline, Mask& mask) {
  std::vector<double> at;  // where the outline crosses a row, of one row at a time
  for (int y = 0; y < mask.height; ++y) {
    at.clear();
    for (std::size_t i = 0; i < outline.size(); ++i) {
      Point from = outline[i], to = outline[(i + 1) % outline.size()];
      if (from.second > to.second) std::swap(from, to);
      // Rows whose centres lie from the upper end on, and above the lower one.
      if (y < std::ceil(from.second - 0.5) || y >= std::ceil(to.second - 0.5)) continue;
      const double share = (y + 0.5 - from.second) / (to.second - from.second);
      at.push_back(from.first + share * (to.first - from.first));
    }
    std::sort(at.begin(), at.end());
    std::uint8_t* row = mask.inside.data() + static_cast<std::ptrdiff_t>(y) * mask.width;
    for (std::size_t i = 0; i + 1 < at.size(); i += 2) {
      const int begin = std::clamp(static_cast<int>(std::ceil(at[i] - 0.5)), 0, mask.width),
                end = std::clamp(static_cast<int>(std::ceil(at[i + 1] - 0.5)), begin, mask.width);
      std::fill(row + begin, row + end, std::uint8_t{1});
    }
  }
}

}  // namespace

Result<Mask> mask_of_picture(const Image& image, const std::string& where) {
  Mask mask{image.width, image.height, {}};
  const std::size_t pixels = image.rgb.size() / 3;
  mask.inside.resize(pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint8_t red = image.rgb[3 * i], green = image.rgb[3 * i + 1],
                       blue = image.rgb[3 * i + 2];
    const bool plain = red == green && green == blue && (red == 0 || red == 255);
    if (!plain) {
      const std::size_t wide = static_cast<std::size_t>(image.width);
      return input_error("The mask is not black and white: its pixel " + std::to_string(i % wide) +
                             ", " + std::to_string(i / wide) + " is " + std::to_string(red) + ", " +
                             std::to_string(green) + ", " + std::to_string(blue) + ".",
                         where,
                         "Write it as PNG, 255 where the prompt's pixels are and 0 elsewhere.");
    }
    mask.inside[i] = red == 255 ? 1 : 0;
  }
  return mask;
}

Status check_mask_shapes(const Json& shapes, ImageSize size, const std::string& where) {
  const auto outlines = outlines_of(shapes, size, where);
  return outlines ? Status() : Status(outlines.error());
}

Result<Mask> mask_of_shapes(const Json& shapes, ImageSize size, const std::string& where) {
  LUTHIER_TRY(const std::vector<Outline> outlines, outlines_of(shapes, size, where));
  Mask mask{size.width, size.height, {}};
  mask.inside.assign(static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height),
                     0);
  for (const Outline& outline : outlines) fill(outline, mask);
  if (std::find(mask.inside.begin(), mask.inside.end(), 1) == mask.inside.end())
    return input_error("The mask covers no pixel of its picture.", where,
                       "Where the picture shows nothing of the prompt, give a picture of black.");
  return mask;
}

std::vector<double> mask_runs(const Mask& mask) {
  std::vector<double> runs{static_cast<double>(mask.width), static_cast<double>(mask.height)};
  std::uint8_t now = 0;
  double length = 0;
  for (const std::uint8_t pixel : mask.inside) {
    if (pixel != now) {
      runs.push_back(length);
      now = pixel, length = 0;
    }
    ++length;
  }
  runs.push_back(length);
  return runs;
}

std::vector<float> mask_at(const std::vector<double>& runs, std::int64_t height,
                           std::int64_t width) {
  const auto from_width = static_cast<std::int64_t>(runs[0]),
             from_height = static_cast<std::int64_t>(runs[1]);
  std::vector<std::uint8_t> whole;
  whole.reserve(static_cast<std::size_t>(from_width * from_height));
  for (std::size_t i = 2; i < runs.size(); ++i)
    whole.insert(whole.end(), static_cast<std::size_t>(runs[i]),
                 static_cast<std::uint8_t>(i % 2 == 0 ? 0 : 1));
  // As Pillow steps from centre to centre: where one falls between two pixels, its rounding
  // decides.
  const auto places = [](std::int64_t from, std::int64_t to) {
    const double step = static_cast<double>(from) / static_cast<double>(to);
    std::vector<std::int64_t> found;
    double at = 0.5 * step;
    for (std::int64_t i = 0; i < to; ++i, at += step)
      found.push_back(std::min(from - 1, static_cast<std::int64_t>(at)));
    return found;
  };
  const std::vector<std::int64_t> columns = places(from_width, width);
  std::vector<float> made;
  made.reserve(static_cast<std::size_t>(height * width));
  for (const std::int64_t row : places(from_height, height))
    for (const std::int64_t column : columns)
      made.push_back(whole[static_cast<std::size_t>(row * from_width + column)]);
  return made;
}

}  // namespace luthier
