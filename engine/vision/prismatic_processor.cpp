// SPDX-License-Identifier: GPL-3.0-or-later
// OpenVLA's picture processor (PrismaticImageProcessor of the authors' folders): the picture is
// resized to a square without keeping its proportions, and normalized once for each tower, whose
// channels lie one after another.
#include <cmath>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

/// Of one tower.
struct PrismaticView {
  Extent size;
  CommonSettings common;
};

class PrismaticProcessor : public ImageProcessor {
 public:
  explicit PrismaticProcessor(std::vector<PrismaticView> views) : views_(std::move(views)) {}

  Result<PixelValues> outline(int width, int height) const override {
    LUTHIER_CHECK(check_picture(width, height));
    LUTHIER_CHECK(check_resized({width, height}, views_.front().size));
    LUTHIER_TRY(PixelValues pixels, stacked(1, views_.front().size, {}));
    pixels.shape[1] = 3 * static_cast<std::int64_t>(views_.size());
    return pixels;
  }

  Result<PixelValues> process(const Image& image) const override {
    LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
    const auto frame = static_cast<std::size_t>(pixels.shape[2] * pixels.shape[3]);
    pixels.values.resize(3 * views_.size() * frame);
    for (std::size_t i = 0; i < views_.size(); ++i) {
      const PrismaticView& view = views_[i];
      const Image sized = resize_to(image, view.size, view.common.resample);
      ByteTable(view.common)
          .write(sized, {0, 0, sized.width, sized.height}, pixels.values.data() + 3 * i * frame,
                 static_cast<std::size_t>(pixels.shape[3]), frame);
    }
    return pixels;
  }

 private:
  std::vector<PrismaticView> views_;
};

Result<std::array<double, 3>> read_three(const Json& config, const char* key, std::size_t index,
                                         const std::string& where) {
  const auto list = config.find(key);
  const bool there = list != config.end() && list->is_array() && index < list->size() &&
                     (*list)[index].is_array() && (*list)[index].size() == 3;
  const std::string place = where + ": " + key + "[" + std::to_string(index) + "]";
  if (!there) return input_error("A number for each of three channels is expected.", place);
  std::array<double, 3> numbers{};
  for (std::size_t i = 0; i < 3; ++i) {
    const Json& each = (*list)[index][i];
    if (!each.is_number() || !std::isfinite(each.get<double>()))
      return input_error("A number for each of three channels is expected.", place);
    numbers[i] = each.get<double>();
  }
  return numbers;
}

Result<Resample> read_filter(const Json& config, std::size_t index, const std::string& where) {
  const auto list = config.find("interpolations");
  if (list == config.end() || !list->is_array() || index >= list->size()) return Resample::Bicubic;
  if ((*list)[index] == "bicubic") return Resample::Bicubic;
  if ((*list)[index] == "bilinear") return Resample::Bilinear;
  return input_error("The filter is none that Luthier knows.",
                     where + ": interpolations[" + std::to_string(index) + "]",
                     "It is bicubic or bilinear.");
}

}  // namespace

MadeProcessor create_prismatic_processor(const Json& config, const std::string& where,
                                         const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  LUTHIER_TRY(const std::string strategy,
              json_string(config, "image_resize_strategy", where, "resize-naive"));
  if (strategy != "resize-naive")
    return input_error("The way of resizing \"" + strategy + "\" is not built.",
                       where + ": image_resize_strategy", "It is resize-naive.");
  const auto sizes = config.find("input_sizes");
  if (sizes == config.end() || !sizes->is_array() || sizes->empty() || sizes->size() > 2)
    return input_error("Sizes of one tower's pictures or of two are expected.",
                       where + ": input_sizes");
  std::vector<PrismaticView> views;
  for (std::size_t i = 0; i < sizes->size(); ++i) {
    const Json& size = (*sizes)[i];
    const std::string place = where + ": input_sizes[" + std::to_string(i) + "]";
    const bool whole = size.is_array() && size.size() == 3 && size[0] == 3 &&
                       size[1].is_number_integer() && size[2].is_number_integer();
    if (!whole) return input_error("[3, height, width] is expected.", place);
    PrismaticView view;
    view.size = {size[2].get<std::int64_t>(), size[1].get<std::int64_t>()};
    if (view.size.width < 1 || view.size.width > kMaxEdge || view.size.height < 1 ||
        view.size.height > kMaxEdge)
      return input_error("The size is out of bounds.", place);
    LUTHIER_TRY(view.common.mean, read_three(config, "means", i, where));
    LUTHIER_TRY(view.common.std, read_three(config, "stds", i, where));
    for (const double each : view.common.std)
      if (!(each > 0)) return input_error("A deviation must be above 0.", where + ": stds");
    LUTHIER_TRY(view.common.resample, read_filter(config, i, where));
    views.push_back(view);
  }
  if (views.size() == 2 && !(views[0].size == views[1].size))
    return input_error("The two towers' pictures are of unlike sizes.", where + ": input_sizes");
  return std::unique_ptr<ImageProcessor>(std::make_unique<PrismaticProcessor>(std::move(views)));
}

}  // namespace luthier::detail
