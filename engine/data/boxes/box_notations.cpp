// SPDX-License-Identifier: GPL-3.0-or-later
// The table of notations, and what their readers and writers have in common.
#include <algorithm>
#include <cmath>

#include "engine/data/boxes/box_notation.h"

namespace luthier {

const std::vector<BoxNotationRow>& box_notations() {
  static const std::vector<BoxNotationRow> table{
      {&detail::paligemma_boxes(), {"paligemma"}},
      {&detail::florence2_boxes(), {"florence2"}},
      {&detail::qwen2_vl_boxes(), {"qwen2_vl"}},
      {&detail::json_pixel_boxes(), {"qwen2_5_vl"}},
      {&detail::internvl_boxes(), {"internvl"}},
      {&detail::json_boxes(), {"qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"}}};
  return table;
}

const BoxNotation& box_notation_for(std::string_view model_type) {
  for (const BoxNotationRow& row : box_notations())
    if (std::find(row.model_types.begin(), row.model_types.end(), model_type) !=
        row.model_types.end())
      return *row.notation;
  return *box_notations().back().notation;
}

const BoxNotation* find_box_notation(std::string_view name) {
  for (const BoxNotationRow& row : box_notations())
    if (name == row.notation->name()) return row.notation;
  return nullptr;
}

namespace detail {

std::int64_t nearest_number(double at, double side, double sides, std::int64_t most) {
  const auto number = static_cast<std::int64_t>(std::nearbyint(at / side * sides));
  return std::clamp<std::int64_t>(number, 0, most);
}

BoxCorners in_order(BoxCorners corners) {
  if (corners[0] > corners[2]) std::swap(corners[0], corners[2]);
  if (corners[1] > corners[3]) std::swap(corners[1], corners[3]);
  return corners;
}

std::string listed(const std::vector<std::string>& labels, std::string_view between,
                   std::string_view before, std::string_view behind) {
  std::string text;
  for (const std::string& label : labels) {
    if (!text.empty()) text += between;
    text += before;
    text += label;
    text += behind;
  }
  return text;
}

bool take_word(std::string_view text, std::size_t& at, std::string_view word) {
  if (text.substr(std::min(at, text.size()), word.size()) != word) return false;
  at += word.size();
  return true;
}

std::int64_t take_digits(std::string_view text, std::size_t& at) {
  constexpr std::size_t kMostDigits = 9;
  const std::size_t begin = at;
  std::int64_t number = 0;
  for (; at < text.size() && at - begin < kMostDigits && text[at] >= '0' && text[at] <= '9'; ++at)
    number = number * 10 + (text[at] - '0');
  return at == begin ? -1 : number;
}

}  // namespace detail

}  // namespace luthier
