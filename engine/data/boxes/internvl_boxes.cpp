// SPDX-License-Identifier: GPL-3.0-or-later
// InternVL (its documents of chat data, from version 1.1 on): "<ref>red cube</ref>
// <box>[[100, 200, 750, 500], …]</box>" without the line break, thousandths of the picture's sides,
// all boxes of a label together.
#include <array>

#include "engine/base/text.h"
#include "engine/data/boxes/box_notation.h"

namespace luthier::detail {

namespace {

constexpr std::int64_t kSide = 1000;

class InternvlBoxes : public BoxNotation {
 public:
  const char* name() const override { return "internvl"; }

  std::string question(const std::vector<std::string>& labels,
                       const std::string& caption) const override {
    if (!caption.empty())
      return std::string(to_model("Please provide the bounding boxes of the phrases in: ")) +
             caption;
    return std::string(to_model("Please provide the bounding boxes of: ")) +
           listed(labels, ", ", "<ref>", "</ref>");
  }

  std::string mark_in(const std::string& label) const override {
    return label.find('<') == std::string::npos ? "" : "<";
  }

  std::string write(const std::vector<LabelledBox>& boxes, const BoxSight& sight) const override {
    std::string text;
    std::vector<bool> written(boxes.size());
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      if (written[i]) continue;
      std::string list;
      for (std::size_t j = i; j < boxes.size(); ++j) {
        if (written[j] || boxes[j].label != boxes[i].label) continue;
        written[j] = true;
        list += list.empty() ? "[" : ", [";
        for (std::size_t corner = 0; corner < 4; ++corner) {
          const int side = corner % 2 == 0 ? sight.picture.width : sight.picture.height;
          list += (corner ? ", " : "") +
                  std::to_string(nearest_number(boxes[j].corners[corner], side, kSide, kSide));
        }
        list += "]";
      }
      text += "<ref>" + boxes[i].label + "</ref><box>[" + list + "]</box>";
    }
    return text;
  }

  std::vector<LabelledBox> read(std::string_view answer) const override {
    std::vector<LabelledBox> boxes;
    std::string label;
    for (std::size_t at = 0; at < answer.size() && boxes.size() < kMostBoxes;) {
      std::size_t next = at;
      if (take_word(answer, next, "<ref>")) {
        const std::size_t end = answer.find("</ref>", next);
        if (end == std::string_view::npos) break;
        label = trimmed(std::string(answer.substr(next, end - next)));
        at = end;
        continue;
      }
      std::array<double, 4> numbers{};
      if (take_list(answer, next, numbers)) {
        boxes.push_back({label, in_order(numbers)});
        at = next;
      } else {
        ++at;
      }
    }
    return boxes;
  }

  std::array<double, 2> sides(const BoxSight& /*sight*/) const override { return {kSide, kSide}; }

  std::vector<std::string> tokens() const override {
    return {"<ref>", "</ref>", "<box>", "</box>"};
  }

 private:
  /// "[1, 2, 3, 4]" at a place.
  static bool take_list(std::string_view text, std::size_t& at, std::array<double, 4>& numbers) {
    std::size_t next = at;
    for (std::size_t i = 0; i < 4; ++i) {
      if (!take_word(text, next, i == 0 ? "[" : ",")) return false;
      while (take_word(text, next, " ")) {}
      const std::int64_t number = take_digits(text, next);
      if (number < 0) return false;
      numbers[i] = static_cast<double>(number);
      while (take_word(text, next, " ")) {}
    }
    if (!take_word(text, next, "]")) return false;
    at = next;
    return true;
  }
};

}  // namespace

const BoxNotation& internvl_boxes() {
  static const InternvlBoxes notation;
  return notation;
}

}  // namespace luthier::detail
