// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/rewards/box_pairs.h"

#include <algorithm>

#include "engine/base/text.h"

namespace luthier {

namespace {

double area(const BoxCorners& box) { return (box[2] - box[0]) * (box[3] - box[1]); }

double intersection_over_union(const BoxCorners& a, const BoxCorners& b) {
  const double width = std::min(a[2], b[2]) - std::max(a[0], b[0]);
  const double height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const double both = width * height;
  return both / (area(a) + area(b) - both);
}

bool may_pair(const std::string& said, const std::string& expected) {
  return said.empty() || expected.empty() || said == expected;
}

std::vector<std::string> small_labels(const std::vector<LabelledBox>& boxes) {
  std::vector<std::string> labels;
  for (const LabelledBox& box : boxes) labels.push_back(ascii_lower(box.label));
  return labels;
}

}  // namespace

double box_overlap(const std::vector<LabelledBox>& said, const std::vector<LabelledBox>& expected) {
  struct Pair {
    double overlap;
    std::size_t said, expected;
  };
  const auto own = small_labels(said), wanted = small_labels(expected);
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < said.size(); ++i)
    for (std::size_t j = 0; j < expected.size(); ++j) {
      if (!may_pair(own[i], wanted[j])) continue;
      const double overlap = intersection_over_union(said[i].corners, expected[j].corners);
      if (overlap > 0) pairs.push_back({overlap, i, j});
    }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.overlap > b.overlap; });
  std::vector<bool> said_taken(said.size()), expected_taken(expected.size());
  double sum = 0;
  for (const Pair& pair : pairs) {
    if (said_taken[pair.said] || expected_taken[pair.expected]) continue;
    said_taken[pair.said] = expected_taken[pair.expected] = true;
    sum += pair.overlap;
  }
  const std::size_t most = std::max(said.size(), expected.size());
  return most == 0 ? 1 : sum / static_cast<double>(most);
}

}  // namespace luthier
