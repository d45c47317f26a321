// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/mllama/picture_sight.h"

#include <algorithm>

namespace luthier {

namespace {

/// The tower's states of `count` tiles of a picture, from its tile `tile` on.
void add_tiles(std::vector<std::int64_t>& order, const ShownPictures& of, std::size_t picture,
               std::int64_t tile, std::int64_t count) {
  const std::int64_t first = (static_cast<std::int64_t>(picture) * of.tiles + tile) * of.states;
  for (std::int64_t i = 0; i < count * of.states; ++i) order.push_back(first + i);
}

}  // namespace

Sighted sighted(const ShownPictures& of) {
  const std::size_t pictures = of.marks.size();
  TORCH_CHECK(pictures == of.shown.size(), "there are ", pictures, " pictures' marks and ",
              of.shown.size(), " pictures");
  for (const std::int64_t shown : of.shown)
    TORCH_CHECK(shown >= 1 && shown <= of.tiles, "a picture of ", shown,
                " tiles is among those of up to ", of.tiles);
  Sighted made;
  std::vector<std::int64_t> order, tokens;
  std::vector<float> opened;
  std::int64_t start = 0;  // of the row
  std::size_t picture = 0;
  for (const std::int64_t length : of.lengths) {
    const std::int64_t end = start + length;
    const std::size_t first = picture;
    while (picture < pictures && of.marks[picture] < end) ++picture;
    if (picture > first) {
      const auto base = static_cast<std::int64_t>(order.size());
      std::vector<std::int64_t> begins;  // of what each picture shows, and where that ends
      for (std::size_t i = first; i < picture; ++i) {
        begins.push_back(static_cast<std::int64_t>(order.size()));
        add_tiles(order, of, i, 0, of.shown[i]);
      }
      begins.push_back(static_cast<std::int64_t>(order.size()));
      for (std::size_t i = first; i < picture; ++i)
        add_tiles(order, of, i, of.shown[i], of.tiles - of.shown[i]);
      const std::int64_t before = of.marks[first] - start;
      if (before > 0)
        made.runs.push_back({before, base, static_cast<std::int64_t>(order.size()) - base});
      std::size_t together = first;  // the first picture of those whose marks stand side by side
      for (std::size_t i = first; i < picture; ++i) {
        if (i == first || of.marks[i] != of.marks[i - 1] + 1) together = i;
        const std::int64_t next = i + 1 < picture ? of.marks[i + 1] : end,
                           begin = begins[together - first];
        made.runs.push_back({next - of.marks[i], begin, begins[i + 1 - first] - begin});
      }
      for (std::int64_t token = start; token < end; ++token) {
        tokens.push_back(token);
        opened.push_back(token < of.marks[first] ? 0.0F : 1.0F);
      }
    }
    made.last_runs.push_back(picture > first ? static_cast<std::int64_t>(made.runs.size()) - 1
                                             : std::int64_t{-1});
    start = end;
  }
  TORCH_CHECK(picture == pictures, "a picture's mark stands behind all rows");
  if (!std::is_sorted(order.begin(), order.end())) made.order = torch::tensor(order, torch::kInt64);
  if (static_cast<std::int64_t>(tokens.size()) < start)
    made.tokens = torch::tensor(tokens, torch::kInt64);
  if (std::find(opened.begin(), opened.end(), 0.0F) != opened.end())
    made.opened = torch::tensor(opened).unsqueeze(1);
  return made;
}

}  // namespace luthier
