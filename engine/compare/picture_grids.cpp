// SPDX-License-Identifier: GPL-3.0-or-later
// One rule a kind of layout, by what the picture processors say of their pictures
// (vision/image_processor.h).
#include "engine/compare/picture_grids.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "engine/vision/image.h"
#include "engine/vision/shown_part.h"

namespace luthier {

namespace {

enum class Layout {
  Square,      ///< all of a picture's tokens are one square
  WholeFirst,  ///< so many squares of equal size, the whole picture's first
  WholeLast,   ///< or last
  Grid,        ///< {time, height, width} in patches, of which some are merged into a token
  Base,        ///< the whole picture's square first, then others with ends of lines between them
};

struct FamilyLayout {
  std::string_view type;
  Layout layout;
};
constexpr FamilyLayout kLayouts[] = {
    {"llava", Layout::Square},         {"paligemma", Layout::Square},
    {"gemma3", Layout::WholeFirst},    {"idefics3", Layout::WholeLast},
    {"smolvlm", Layout::WholeLast},    {"internvl", Layout::WholeLast},
    {"aya_vision", Layout::WholeLast}, {"llava_next", Layout::Base},
    {"llava_onevision", Layout::Base}, {"qwen2_vl", Layout::Grid},
    {"qwen2_5_vl", Layout::Grid},      {"qwen3_vl", Layout::Grid},
    {"qwen3_vl_moe", Layout::Grid},    {"qwen3_5", Layout::Grid},
    {"qwen3_5_moe", Layout::Grid},     {"glm4v", Layout::Grid},
    {"mistral3", Layout::Grid}};

std::int64_t root_of(std::int64_t square) {
  const auto root = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(square))));
  return root > 0 && root * root == square ? root : 0;
}

/// How a row's picture tokens are shared among its pictures.
double share_of(const PixelValues& pixels, Layout layout) {
  double share = 1;
  if (layout == Layout::Grid)
    for (const std::int64_t each : pixels.grid) share *= static_cast<double>(each);
  else if (!pixels.shape.empty())
    share = static_cast<double>(pixels.shape.front());
  return share;
}

/// The part of a picture's tokens that is a grid of the whole picture; false: it is none.
bool lay(PictureGrid& grid, const PixelValues& pixels, Layout layout, std::int64_t patch,
         const std::vector<std::size_t>& tokens) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  const std::int64_t frames = pixels.shape.empty() ? 1 : pixels.shape.front();
  std::int64_t first = 0;
  if (layout == Layout::Grid) {
    if (pixels.grid.size() < 3 || pixels.grid[0] != 1) return false;
    for (std::int64_t merged = 1; merged <= 8 && grid.rows == 0; ++merged) {
      const std::int64_t rows = pixels.grid[1] / merged, columns = pixels.grid[2] / merged;
      if (rows * columns == count) grid.rows = rows, grid.columns = columns;
    }
  } else if (layout == Layout::Base) {
    if (patch > 0 && pixels.shape.size() == 4) grid.rows = grid.columns = pixels.shape[2] / patch;
  } else if (frames > 0 && count % frames == 0) {
    grid.rows = grid.columns = root_of(count / frames);
    if (layout == Layout::WholeLast) first = count - count / frames;
  }
  if (grid.rows < 1 || grid.columns < 1 || first + grid.rows * grid.columns > count) return false;
  grid.places.assign(tokens.begin() + first, tokens.begin() + first + grid.rows * grid.columns);
  return true;
}

std::int64_t patch_size(const Json& config) {
  const auto vision = config.find("vision_config");
  if (vision == config.end() || !vision->is_object()) return 0;
  const auto patch = vision->find("patch_size");
  return patch != vision->end() && patch->is_number_integer() ? patch->get<std::int64_t>() : 0;
}

}  // namespace

Result<std::vector<PictureGrid>> picture_grids(const LoadedModel& model,
                                               const ChatProcessor& processor,
                                               const Example& example, const Sample& sample) {
  std::vector<PictureGrid> grids;
  const auto pictures = sample.pictures();
  if (pictures.empty()) return grids;
  const std::string_view type = model.family->model_type;
  const auto known = std::find_if(std::begin(kLayouts), std::end(kLayouts),
                                  [&](const FamilyLayout& each) { return each.type == type; });
  const auto unknown = [&] {
    return input_error("How a model of type " + std::string(type) +
                           " lays these pictures out is not known here, so its attention cannot "
                           "be laid over them.",
                       sample.where);
  };
  if (known == std::end(kLayouts) || !sample.films().empty() ||
      example.images.size() != pictures.size())
    return unknown();
  std::vector<std::size_t> tokens;
  for (std::size_t i = 0; i < example.input_ids.size(); ++i)
    if (example.input_ids[i] == processor.image_token_id()) tokens.push_back(i);
  double all = 0;
  for (const PixelValues& pixels : example.images) all += share_of(pixels, known->layout);
  if (known->layout == Layout::Base && pictures.size() > 1) return unknown();
  std::size_t begin = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const double own = share_of(example.images[i], known->layout) / all;
    const auto count =
        static_cast<std::size_t>(std::llround(own * static_cast<double>(tokens.size())));
    if (begin + count > tokens.size()) return unknown();
    const std::vector<std::size_t> mine(
        tokens.begin() + static_cast<std::ptrdiff_t>(begin),
        tokens.begin() + static_cast<std::ptrdiff_t>(begin + count));
    begin += count;
    PictureGrid grid;
    grid.picture = i;
    if (!lay(grid, example.images[i], known->layout, patch_size(model.config), mine))
      return unknown();
    LUTHIER_TRY(const ImageSize size, read_image_size(pictures[i]));
    if (const auto* shows = dynamic_cast<const ShowsPart*>(processor.image_processor())) {
      LUTHIER_TRY(const PicturePart part, shows->shown_part(size.width, size.height));
      grid.left = part.left, grid.top = part.top;
      grid.width = part.width, grid.height = part.height;
    }
    grids.push_back(std::move(grid));
  }
  return grids;
}

}  // namespace luthier
