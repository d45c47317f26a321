// SPDX-License-Identifier: GPL-3.0-or-later
// In the arithmetic of transformers 5.17's processors: doubles, added in their order.
#include "engine/vision/arrangements.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace luthier::detail {

namespace {

constexpr double kCovered = 0.9;

/// What is left of a part of the picture when its longer edge is `side` at most.
double covered_area(std::int64_t width, std::int64_t height, std::int64_t side) {
  const auto longer = static_cast<double>(std::max(width, height)),
             shorter = static_cast<double>(std::min(width, height)),
             most = static_cast<double>(side);
  return longer > most ? most * (shorter / longer * most) : longer * shorter;
}

/// The share of the picture that the arrangement holds. transformers cuts the picture into as many
/// rows as the arrangement has columns, and as many columns as it has rows.
double covered_share(const Arrangement& one, Extent from, std::int64_t side) {
  const std::int64_t down = one.columns, across = one.rows;
  const std::int64_t height = from.height / down, width = from.width / across;
  double sum = 0;
  for (std::int64_t row = 0; row < down; ++row) {
    const std::int64_t own = row == down - 1 ? from.height - row * height : height;
    for (std::int64_t column = 0; column < across; ++column)
      sum += covered_area(column == across - 1 ? from.width - column * width : width, own, side);
  }
  return sum / static_cast<double>(from.width * from.height);
}

}  // namespace

std::vector<Arrangement> arrangements(std::int64_t least, std::int64_t most) {
  std::vector<Arrangement> list;
  for (std::int64_t columns = 1; columns <= most; ++columns)
    for (std::int64_t rows = 1; columns * rows <= most; ++rows)
      if (columns * rows >= least) list.push_back({columns, rows});
  std::stable_sort(list.begin(), list.end(), [](const Arrangement& a, const Arrangement& b) {
    return a.columns * a.rows < b.columns * b.rows;
  });
  return list;
}

Arrangement nearest_arrangement(const std::vector<Arrangement>& list, Extent from, Extent tile) {
  const double proportion = static_cast<double>(from.width) / static_cast<double>(from.height);
  const double area = static_cast<double>(from.width * from.height);
  double nearest = std::numeric_limits<double>::infinity();
  Arrangement best;
  for (const Arrangement& one : list) {
    const double difference =
        std::fabs(proportion - static_cast<double>(one.columns) / static_cast<double>(one.rows));
    const bool covered =
        area > 0.5 * static_cast<double>(tile.height * tile.width * one.columns * one.rows);
    if (difference > nearest || (difference == nearest && !covered)) continue;
    nearest = difference;
    best = one;
  }
  return best;
}

Arrangement covering_arrangement(const std::vector<Arrangement>& list, Extent from,
                                 std::int64_t side) {
  Arrangement best;
  double most = -1;
  for (const Arrangement& one : list) {
    // The list goes by the number of tiles: behind one that is enough come larger ones.
    if (most > kCovered && one.columns * one.rows > best.columns * best.rows) break;
    const double share = covered_share(one, from, side);
    if (share <= most) continue;
    most = share;
    best = one;
  }
  return best;
}

}  // namespace luthier::detail
