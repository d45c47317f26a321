// SPDX-License-Identifier: GPL-3.0-or-later
// Boxes of an answer beside those of its row. Of a row of boxes the model's notation reads them
// (data/boxes); other rows have a bbox, and then boxes are whatever stands as four numbers behind
// an open bracket with nothing but brackets, commas and white space between them ("[10, 20, 30,
// 40]",
// "(10,20),(30,40)", {"bbox_2d": [10, 20, 30, 40]}), or as the location tokens of PaliGemma and
// Florence-2.
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "engine/data/boxes/box_rows.h"
#include "engine/rewards/answer_measures.h"
#include "engine/rewards/box_pairs.h"
#include "engine/rewards/built_in.h"

namespace luthier::detail {

namespace {

std::vector<LabelledBox> without_labels(std::vector<LabelledBox> boxes) {
  for (LabelledBox& box : boxes) box.label.clear();
  return boxes;
}

std::vector<LabelledBox> boxes_in(std::string_view text) {
  for (const BoxNotation* tokens : {&paligemma_boxes(), &florence2_boxes()})
    if (auto boxes = tokens->read(text); !boxes.empty()) return without_labels(std::move(boxes));
  std::vector<LabelledBox> boxes;
  BoxCorners box{};
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
        boxes.push_back({{}, in_order(box)});
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

bool read_bbox(const Json& value, LabelledBox& box) {
  if (!value.is_array() || value.size() != 4) return false;
  for (std::size_t i = 0; i < 4; ++i) {
    if (!value[i].is_number() || !std::isfinite(value[i].get<double>())) return false;
    box.corners[i] = value[i].get<double>();
  }
  box.corners = in_order(box.corners);
  return true;
}

}  // namespace

Result<Reward> box_overlap_reward(const AnsweredRow& answer) {
  const Json* value = column(answer, "bbox");
  if (!value) {
    const auto wanted = answer.prompt ? expected_boxes(*answer.prompt) : std::nullopt;
    if (!wanted) return Reward();
    return Reward(
        box_overlap(wanted->notation->read(answer.text), wanted->notation->read(wanted->answer)));
  }
  std::vector<LabelledBox> expected;
  const auto refused = [&] {
    return bad_column(answer, "bbox",
                      "The column must hold a box of four numbers or a list of such.",
                      "Write [x1, y1, x2, y2] in the numbers that the answers use.");
  };
  if (!value->is_array() || value->empty() || value->size() > kMostBoxes) return refused();
  const bool one = !value->front().is_array();
  expected.resize(one ? 1 : value->size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (!read_bbox(one ? *value : (*value)[i], expected[i])) return refused();
  return Reward(box_overlap(boxes_in(answer.text), expected));
}

}  // namespace luthier::detail

namespace luthier {

double text_box_overlap(const std::string& answer, const std::string& expected) {
  const auto wanted = detail::boxes_in(expected);
  if (wanted.empty()) return -1;
  return box_overlap(detail::boxes_in(answer), wanted);
}

}  // namespace luthier
