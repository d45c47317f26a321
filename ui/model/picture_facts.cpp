// SPDX-License-Identifier: GPL-3.0-or-later
// Outlines of small and large pictures of many shapes give the bounds; none of them has a pixel.
#include "ui/model/picture_facts.h"

#include <algorithm>

namespace luthier {

namespace {

constexpr int kMostRatio = 16;  // shapes from 1:1 to 16:1, both ways
constexpr int kSmall = 16,
              kLarge = 512;  // times the ratio: the shorter edges of what is asked for

/// The edge of a patch, from the convolution that cuts them; 0 where the tower has none.
std::int64_t patch_edge(const ModelSummary& summary) {
  for (const ModuleSummary& module : summary.modules)
    if (module.part == "vision_tower" && module.type == "Conv2d" && module.shape.size() == 4)
      return module.shape.back();
  return 0;
}

/// Tiles, the whole among them, or patches.
std::int64_t parts_of(const PixelValues& outline) {
  const bool flat = outline.shape.size() == 1;  // where the whole is no tile's size
  return flat ? outline.grid.at(0) * outline.grid.at(1) + 1 : outline.shape[0];
}

void widen(std::int64_t value, std::int64_t& least, std::int64_t& most) {
  least = least == 0 ? value : std::min(least, value);
  most = std::max(most, value);
}

}  // namespace

PictureReading picture_facts(const ModelSummary& summary, const PixelLimits& limits) {
  PictureReading facts;
  const ModelGeometry& g = summary.geometry;
  if (!summary.pictures) return facts;
  const ProcessorDefaults& defaults = summary.pictures->defaults;
  auto processor = ImageProcessor::load(summary.folder, defaults, limits);
  if (!processor) processor = ImageProcessor::load(summary.folder, defaults);
  if (!processor) return facts;
  std::int64_t least = 0, most = 0;
  for (const int unit : {kSmall, kLarge})
    for (int across = 1; across <= kMostRatio; ++across)
      for (int down = 1; down <= kMostRatio; ++down) {
        const auto outline = (*processor)->outline(unit * across, unit * down);
        if (!outline || outline->shape.empty()) continue;  // a shape that the processor refuses
        const std::vector<std::int64_t>& shape = outline->shape;
        facts.kind =
            shape.size() == 2 ? PictureReading::Kind::Patches : PictureReading::Kind::Tiles;
        widen(parts_of(*outline), least, most);
        if (shape.size() == 1) facts.width = facts.height = static_cast<int>(outline->grid.at(2));
        if (shape.size() == 4)
          facts.height = static_cast<int>(shape[2]), facts.width = static_cast<int>(shape[3]);
      }
  if (facts.kind == PictureReading::Kind::Patches) {
    const std::int64_t block = std::max<std::int64_t>(1, g.patches_per_token);
    facts.least_patches = least, facts.most_patches = most;
    facts.least_tokens = least / block, facts.most_tokens = most / block;
    return facts;
  }
  if (facts.kind != PictureReading::Kind::Tiles) return facts;
  facts.least_tiles = least, facts.most_tiles = most;
  const std::int64_t edge = patch_edge(summary);
  facts.least_patches = edge > 0 ? (facts.width / edge) * (facts.height / edge) : g.vision_tokens;
  facts.most_patches = facts.least_patches;
  if (most == 1) facts.kind = PictureReading::Kind::Fixed;
  if (most == 1 || g.tile_tokens == TileTokens::OfThePicture)
    facts.least_tokens = facts.most_tokens = g.image_tokens;
  else if (g.tile_tokens == TileTokens::OfEachTile)
    facts.least_tokens = least * g.image_tokens, facts.most_tokens = most * g.image_tokens;
  return facts;
}

}  // namespace luthier
