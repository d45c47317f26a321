// SPDX-License-Identifier: GPL-3.0-or-later
// Florence-2 (Xiao et al. 2024): "red cube<loc_99><loc_199><loc_749><loc_499>…", 1,000 bins a side
// whose number is the floor and whose middle is what they mean, as quantize and dequantize of
// Florence2PostProcessor (transformers 5.17). Asked for as <OD>, or as
// <CAPTION_TO_PHRASE_GROUNDING> with a caption.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/base/text.h"
#include "engine/data/boxes/box_notation.h"

namespace luthier::detail {

namespace {

constexpr std::int64_t kBins = 1000;

std::string bin_token(std::int64_t number) { return "<loc_" + std::to_string(number) + ">"; }

/// Of a number along a side; the processor divides by a bin's width, in float32.
std::int64_t bin_of(double at, int side) {
  const auto width = static_cast<float>(static_cast<double>(side) / static_cast<double>(kBins));
  return std::clamp<std::int64_t>(
      static_cast<std::int64_t>(std::floor(static_cast<float>(at) / width)), 0, kBins - 1);
}

class Florence2Boxes : public BoxNotation {
 public:
  const char* name() const override { return "florence2"; }

  std::string question(const std::vector<std::string>& /*labels*/,
                       const std::string& caption) const override {
    return caption.empty() ? std::string(to_model("<OD>"))
                           : std::string(to_model("<CAPTION_TO_PHRASE_GROUNDING>")) + caption;
  }

  std::string mark_in(const std::string& label) const override {
    return label.find('<') == std::string::npos ? "" : "<";
  }

  std::string write(const std::vector<LabelledBox>& boxes, const BoxSight& sight) const override {
    std::string text;
    for (const LabelledBox& box : boxes) {
      text += box.label;
      for (std::size_t corner = 0; corner < 4; ++corner)
        text += bin_token(bin_of(box.corners[corner],
                                 corner % 2 == 0 ? sight.picture.width : sight.picture.height));
    }
    return text;
  }

  std::vector<LabelledBox> read(std::string_view answer) const override {
    std::vector<LabelledBox> boxes;
    std::string label;
    std::array<double, 4> numbers{};
    std::size_t held = 0, label_begin = 0;
    for (std::size_t at = 0; at < answer.size() && boxes.size() < kMostBoxes;) {
      std::size_t next = at;
      std::int64_t number = -1;
      if (take_word(answer, next, "<loc_")) number = take_digits(answer, next);
      if (number < 0 || number >= kBins || !take_word(answer, next, ">")) {
        held = 0;
        ++at;
        if (answer[at - 1] != '<') continue;
        // Marks of other tasks and of a row's ends are none of a label's.
        const std::size_t closed = answer.find('>', at);
        if (closed == std::string_view::npos) break;
        at = label_begin = closed + 1;
        continue;
      }
      if (at > label_begin)
        label = trimmed(std::string(answer.substr(label_begin, at - label_begin)));
      numbers[held++] = static_cast<double>(number);
      at = label_begin = next;
      if (held < 4) continue;
      boxes.push_back({label, in_order(numbers)});
      held = 0;
    }
    return boxes;
  }

  std::array<double, 2> sides(const BoxSight& /*sight*/) const override { return {kBins, kBins}; }

  std::vector<std::string> tokens() const override {
    std::vector<std::string> all;
    for (std::int64_t number = 0; number < kBins; ++number) all.push_back(bin_token(number));
    return all;
  }
};

}  // namespace

const BoxNotation& florence2_boxes() {
  static const Florence2Boxes notation;
  return notation;
}

}  // namespace luthier::detail
