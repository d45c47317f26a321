// SPDX-License-Identifier: GPL-3.0-or-later
// PaliGemma (Beyer et al. 2024): "<loc0102><loc0204><loc0511><loc0767> red cube ; …", y before x,
// 1,024 tokens a side. A number is round(1023 · y / height), as big_vision's pipelines bin boxes
// (pp/proj/paligemma/segmentation.py) and its evaluators read them; boxes of several labels are
// asked for as "detect red cube ; blue ball".
#include <array>

#include "engine/base/text.h"
#include "engine/data/boxes/box_notation.h"

namespace luthier::detail {

namespace {

constexpr std::int64_t kLastLocation = 1023;

std::string location(std::int64_t number) {
  const std::string digits = std::to_string(number);
  return "<loc" + std::string(4 - digits.size(), '0') + digits + ">";
}

class PaligemmaBoxes : public BoxNotation {
 public:
  const char* name() const override { return "paligemma"; }

  std::string question(const std::vector<std::string>& labels,
                       const std::string& /*caption*/) const override {
    return std::string(to_model("detect ")) + listed(labels, " ; ");
  }

  std::string mark_in(const std::string& label) const override {
    for (const char* mark : {";", "<", ">"})
      if (label.find(mark) != std::string::npos) return mark;
    return {};
  }

  std::string write(const std::vector<LabelledBox>& boxes, const BoxSight& sight) const override {
    std::string text;
    for (const LabelledBox& box : boxes) {
      if (!text.empty()) text += " ; ";
      for (const std::size_t corner : {1u, 0u, 3u, 2u}) {
        const int side = corner % 2 == 0 ? sight.picture.width : sight.picture.height;
        text += location(nearest_number(box.corners[corner], side, kLastLocation, kLastLocation));
      }
      text += " " + box.label;
    }
    return text;
  }

  std::vector<LabelledBox> read(std::string_view answer) const override {
    std::vector<LabelledBox> boxes;
    for (std::size_t at = answer.find("<loc");
         at != std::string_view::npos && boxes.size() < kMostBoxes; at = answer.find("<loc", at)) {
      std::array<double, 4> numbers{};
      std::size_t held = 0, behind = at;
      for (; held < 4; ++held) {
        std::size_t next = behind;
        if (!take_word(answer, next, "<loc")) break;
        const std::int64_t number = take_digits(answer, next);
        if (number < 0 || number > kLastLocation || !take_word(answer, next, ">")) break;
        numbers[held] = static_cast<double>(number);
        behind = next;
      }
      if (held < 4) {
        at = std::max(behind, at + 1);
        continue;
      }
      while (take_word(answer, behind, "<seg")) {  // a mask's tokens stand before the label
        (void)take_digits(answer, behind);
        (void)take_word(answer, behind, ">");
      }
      const std::size_t end = std::min(answer.find_first_of(";<\n", behind), answer.size());
      boxes.push_back({trimmed(std::string(answer.substr(behind, end - behind))),
                       in_order({numbers[1], numbers[0], numbers[3], numbers[2]})});
      at = end;
    }
    return boxes;
  }

  std::array<double, 2> sides(const BoxSight& /*sight*/) const override {
    return {kLastLocation, kLastLocation};
  }

  std::vector<std::string> tokens() const override {
    std::vector<std::string> all;
    for (std::int64_t number = 0; number <= kLastLocation; ++number)
      all.push_back(location(number));
    return all;
  }
};

}  // namespace

const BoxNotation& paligemma_boxes() {
  static const PaligemmaBoxes notation;
  return notation;
}

}  // namespace luthier::detail
