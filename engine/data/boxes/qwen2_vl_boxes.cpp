// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen2-VL (Wang et al. 2024): "<|object_ref_start|>red cube<|object_ref_end|><|box_start|>
// (100,200),(750,500)<|box_end|>" without the line break, thousandths of the picture's sides, as
// convert_to_qwen2vl_format of its fine-tuning tools rounds them.
#include <array>

#include "engine/base/text.h"
#include "engine/data/boxes/box_notation.h"

namespace luthier::detail {

namespace {

constexpr std::int64_t kThousandths = 1000;
constexpr std::string_view kReference = "<|object_ref_start|>",
                           kReferenceEnd = "<|object_ref_end|>", kBox = "<|box_start|>",
                           kBoxEnd = "<|box_end|>";

/// "(1,2),(3,4)" at a place, with spaces between or without.
bool take_corners(std::string_view text, std::size_t& at, std::array<double, 4>& numbers) {
  std::size_t next = at, held = 0;
  for (const char mark : std::string_view("(0,0),(0,0)")) {
    while (next > at && take_word(text, next, " ")) {}
    if (mark != '0') {
      if (!take_word(text, next, std::string_view(&mark, 1))) return false;
      continue;
    }
    const std::int64_t number = take_digits(text, next);
    if (number < 0) return false;
    numbers[held++] = static_cast<double>(number);
  }
  at = next;
  return true;
}

class Qwen2VlBoxes : public BoxNotation {
 public:
  const char* name() const override { return "qwen2_vl"; }

  std::string question(const std::vector<std::string>& labels,
                       const std::string& caption) const override {
    return caption.empty()
               ? std::string(to_model("Detect the bounding boxes of: ")) + listed(labels, ", ")
               : std::string(to_model("Detect the bounding boxes of the phrases in: ")) + caption;
  }

  std::string mark_in(const std::string& label) const override {
    return label.find("<|") == std::string::npos ? "" : "<|";
  }

  std::string write(const std::vector<LabelledBox>& boxes, const BoxSight& sight) const override {
    std::string text;
    const auto number = [&](const LabelledBox& box, std::size_t corner) {
      const int side = corner % 2 == 0 ? sight.picture.width : sight.picture.height;
      return std::to_string(nearest_number(box.corners[corner], side, kThousandths, kThousandths));
    };
    for (const LabelledBox& box : boxes) {
      text += std::string(kReference) + box.label + std::string(kReferenceEnd);
      text += std::string(kBox) + "(" + number(box, 0) + "," + number(box, 1) + "),(" +
              number(box, 2) + "," + number(box, 3) + ")" + std::string(kBoxEnd);
    }
    return text;
  }

  /// The marks may be missing: who decodes answers without special tokens leaves them out.
  std::vector<LabelledBox> read(std::string_view answer) const override {
    std::vector<LabelledBox> boxes;
    std::string label;
    std::size_t label_begin = 0;
    for (std::size_t at = 0; at < answer.size() && boxes.size() < kMostBoxes;) {
      std::array<double, 4> numbers{};
      const std::size_t begin = at;
      if (take_word(answer, at, kReference)) {
        const std::size_t end = answer.find(kReferenceEnd, at);
        if (end == std::string_view::npos) break;
        label = trimmed(std::string(answer.substr(at, end - at)));
        at = label_begin = end + kReferenceEnd.size();
      } else if (take_word(answer, at, kBox) || take_word(answer, at, kBoxEnd)) {
        label_begin = at;
      } else if (take_corners(answer, at, numbers)) {
        const std::string said =
            trimmed(std::string(answer.substr(label_begin, begin - label_begin)));
        if (!said.empty() && said != ",") label = said;
        boxes.push_back({label, in_order(numbers)});
        label_begin = at;
      } else {
        ++at;
      }
    }
    return boxes;
  }

  std::array<double, 2> sides(const BoxSight& /*sight*/) const override {
    return {kThousandths, kThousandths};
  }

  std::vector<std::string> tokens() const override {
    return {std::string(kReference), std::string(kReferenceEnd), std::string(kBox),
            std::string(kBoxEnd)};
  }
};

}  // namespace

const BoxNotation& qwen2_vl_boxes() {
  static const Qwen2VlBoxes notation;
  return notation;
}

}  // namespace luthier::detail
