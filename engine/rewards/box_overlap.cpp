// SPDX-License-Identifier: GPL-3.0-or-later
// Boxes of an answer beside those of its row. Families write boxes in many ways ("[10, 20, 30,
// 40]",
// "(10,20),(30,40)", {"bbox_2d": [10, 20, 30, 40]}), all of which are four numbers behind an open
// bracket with nothing but brackets, commas and white space between them.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "engine/rewards/answer_measures.h"
#include "engine/rewards/built_in.h"

namespace luthier::detail {

namespace {

using Box = std::array<double, 4>;  // x1, y1, x2, y2

constexpr std::size_t kMostBoxes = 1000;  // of an answer; what comes behind is not looked at

/// Corners in any order → the upper left one first.
Box in_order(Box box) {
  if (box[0] > box[2]) std::swap(box[0], box[2]);
  if (box[1] > box[3]) std::swap(box[1], box[3]);
  return box;
}

double area(const Box& box) { return (box[2] - box[0]) * (box[3] - box[1]); }

double intersection_over_union(const Box& a, const Box& b) {
  const double width = std::min(a[2], b[2]) - std::max(a[0], b[0]);
  const double height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const double both = width * height;
  return both / (area(a) + area(b) - both);
}

std::vector<Box> boxes_in(std::string_view text) {
  std::vector<Box> boxes;
  Box box{};
  std::size_t held = 0;
  bool open = false;  // whether a bracket was opened and only separators came since
  for (std::size_t at = 0; at < text.size() && boxes.size() < kMostBoxes;) {
    const char c = text[at];
    double number = 0;
    if (open && (c == '-' || c == '.' || (c >= '0' && c <= '9'))) {
      const auto read = std::from_chars(text.data() + at, text.data() + text.size(), number);
      if (read.ec == std::errc() && std::isfinite(number)) {
        box[held++] = number;
        at = static_cast<std::size_t>(read.ptr - text.data());
        if (held < 4) continue;
        boxes.push_back(in_order(box));
        held = 0;
        open = false;
        continue;
      }
    }
    if (c == '[' || c == '(') {
      open = true;
    } else if (std::string_view("]), \t\r\n").find(c) == std::string_view::npos) {
      open = false;
      held = 0;
    }
    ++at;
  }
  return boxes;
}

bool read_box(const Json& value, Box& box) {
  if (!value.is_array() || value.size() != 4) return false;
  for (std::size_t i = 0; i < 4; ++i) {
    if (!value[i].is_number() || !std::isfinite(value[i].get<double>())) return false;
    box[i] = value[i].get<double>();
  }
  box = in_order(box);
  return true;
}

/// Pairs by their overlap, the largest first, each box in one pair at most: Σ overlap.
double paired_overlap(const std::vector<Box>& said, const std::vector<Box>& expected) {
  struct Pair {
    double overlap;
    std::size_t said, expected;
  };
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < said.size(); ++i)
    for (std::size_t j = 0; j < expected.size(); ++j) {
      const double overlap = intersection_over_union(said[i], expected[j]);
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
  return sum;
}

}  // namespace

Result<Reward> box_overlap_reward(const AnsweredRow& answer) {
  const Json* value = column(answer, "bbox");
  if (!value) return Reward();
  std::vector<Box> expected;
  const auto refused = [&] {
    return bad_column(answer, "bbox",
                      "The column must hold a box of four numbers or a list of such.",
                      "Write [x1, y1, x2, y2] in the numbers that the answers use.");
  };
  if (!value->is_array() || value->empty() || value->size() > kMostBoxes) return refused();
  const bool one = !value->front().is_array();
  expected.resize(one ? 1 : value->size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (!read_box(one ? *value : (*value)[i], expected[i])) return refused();
  const std::vector<Box> said = boxes_in(answer.text);
  return Reward(paired_overlap(said, expected) /
                static_cast<double>(std::max(said.size(), expected.size())));
}

}  // namespace luthier::detail

namespace luthier {

double text_box_overlap(const std::string& answer, const std::string& expected) {
  const auto wanted = detail::boxes_in(expected);
  if (wanted.empty()) return -1;
  const auto said = detail::boxes_in(answer);
  return detail::paired_overlap(said, wanted) /
         static_cast<double>(std::max(said.size(), wanted.size()));
}

}  // namespace luthier
