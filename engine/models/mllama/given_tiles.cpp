// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/mllama/given_tiles.h"

#include "engine/models/mllama/mllama_tower.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kIds = "aspect_ratio_ids", *kTiles = "aspect_ratio_mask",
                     *kSights = "cross_attention_mask";

/// Places of the marks in a row that is filled up: [marks].
Tensor marks_of(const FilledUp& rows, std::int64_t row, TokenId mark) {
  return rows.ids[row].eq(mark).logical_and(rows.own[row]).nonzero().squeeze(1);
}

/// What MllamaProcessor makes of a row's marks: from each on to the next, or, where marks stand
/// side by side, all of them on to the one behind; [length, pictures, tiles].
Tensor sights_by_marks(const Tensor& marks, const std::vector<std::int64_t>& shown,
                       at::IntArrayRef shape) {
  Tensor sights = torch::zeros(shape, torch::kBool);
  std::int64_t end = shape[0], next = shape[0];
  for (std::int64_t i = marks.numel() - 1; i >= 0; --i) {
    const auto place = marks[i].item<std::int64_t>();
    if (next != place + 1) end = next;
    sights.slice(0, place, end).select(1, i).slice(1, 0, shown[static_cast<std::size_t>(i)]) = true;
    next = place;
  }
  return sights;
}

}  // namespace

Status put_given_tiles(const GivenArguments& given, const MllamaOptions& options,
                       ModelInput& input) {
  LUTHIER_TRY(const Tensor pixels, given.wanted("pixel_values"));
  LUTHIER_TRY(const Tensor ids, given.wanted(kIds));
  LUTHIER_TRY(const Tensor sights, given.wanted(kSights));
  LUTHIER_TRY(const FilledUp rows, given.text_rows());
  const std::int64_t tiles = options.vision.tiles;
  if (pixels.dim() != 6 || pixels.size(0) != rows.rows() || pixels.size(2) != tiles)
    return given.shape_error("pixel_values", "[rows, pictures, tiles, 3, height, width]");
  if (!ids.sizes().equals(pixels.sizes().slice(0, 2)))
    return given.shape_error(kIds, "[rows, pictures]");
  const std::vector<std::int64_t> shape{rows.ids.size(1), pixels.size(1), tiles};
  if (sights.dim() != 4 || sights.size(0) != rows.rows() || !sights.sizes().slice(1).equals(shape))
    return given.shape_error(kSights, "[rows, length, pictures, tiles]");
  const auto known = tile_arrangements(tiles);
  const Tensor* shown_tiles = given.find(kTiles);
  if (shown_tiles && !shown_tiles->sizes().equals(pixels.sizes().slice(0, 3)))
    return given.shape_error(kTiles, "[rows, pictures, tiles]");
  std::vector<Tensor> kept;
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    const Tensor marks = marks_of(rows, row, options.image_token_id);
    if (marks.numel() > pixels.size(1))
      return given.shape_error("pixel_values", "a picture for each mark of a row");
    std::vector<std::int64_t> shown;
    for (std::int64_t picture = 0; picture < marks.numel(); ++picture) {
      const auto id = ids[row][picture].item<std::int64_t>();
      if (id < 1 || id > std::ssize(known))
        return given.shape_error(kIds, "those that there are for so many tiles");
      const auto [down, across] = known[static_cast<std::size_t>(id - 1)];
      shown.push_back(down * across);
      input.pictures.push_back({tiles, {down, across, tiles}});
      kept.push_back(pixels[row][picture].to(torch::kFloat32));
      if (shown_tiles &&
          (*shown_tiles)[row][picture].ne(0).sum().item<std::int64_t>() != shown.back())
        return given.shape_error(kTiles, "what aspect_ratio_ids say");
    }
    const Tensor marked = sights_by_marks(marks, shown, shape);
    const Tensor differs = marked.ne(sights[row].to(torch::kBool)).flatten(1).any(1);
    if (differs.logical_and(rows.own[row]).any().item<bool>())
      return input_error("Row " + std::to_string(row) +
                             " sees other pictures than those whose marks stand before it.",
                         given.where() + ": " + kSights,
                         "A mask that the processor makes of the row is taken here.");
  }
  if (!kept.empty()) input.pixel_values = at::cat(kept);
  return {};
}

}  // namespace luthier
