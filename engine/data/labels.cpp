// SPDX-License-Identifier: GPL-3.0-or-later
// Which tokens carry a loss: the answer after the last generation prompt, every assistant turn, or
// everything; never a picture's tokens.
#include <algorithm>

#include "engine/data/processor_row.h"

namespace luthier {

namespace {

std::size_t common_prefix(const std::string& a, const std::string& b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                  a.begin());
}

}  // namespace

// How many tokens of the whole are the prompt of its last answer.
Result<std::size_t> ChatProcessor::prompt_length(const Row& row, const FilledText& whole,
                                                 const Encoding& encoding) const {
  LUTHIER_TRY(const FilledText prompt, lay_out(row, row.messages.size() - 1, true));
  LUTHIER_TRY(const Encoding ids, encode_text(row, prompt));
  if (ids.ids.size() <= encoding.ids.size() &&
      std::equal(ids.ids.begin(), ids.ids.end(), encoding.ids.begin()))
    return ids.ids.size();
  const std::size_t border = common_prefix(prompt.text, whole.text);
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    const std::size_t begin = encoding.offsets[i].first, end = encoding.offsets[i].second;
    if (begin < end && begin >= border) return i;
  }
  return encoding.ids.size();
}

// Byte ranges of the whole text that assistant turns wrote.
Result<std::vector<std::pair<std::size_t, std::size_t>>> ChatProcessor::assistant_ranges(
    const Row& row, const FilledText& whole) const {
  if (template_of(row.messages)->has_generation()) return whole.generation;
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (std::size_t i = 0; i < row.messages.size(); ++i) {
    if (row.messages[i].role != "assistant") continue;
    std::size_t begin = 0, end = whole.text.size();
    if (i > 0) {
      LUTHIER_TRY(const FilledText before, lay_out(row, i, true));
      begin = common_prefix(before.text, whole.text);
    }
    if (i + 1 < row.messages.size()) {
      LUTHIER_TRY(const FilledText after, lay_out(row, i + 1, false));
      end = common_prefix(after.text, whole.text);
    }
    ranges.emplace_back(begin, end);
  }
  return ranges;
}

Result<std::vector<std::int64_t>> ChatProcessor::labels_of(const Row& row, const FilledText& whole,
                                                           const Encoding& encoding,
                                                           LossOn loss_on) const {
  const std::size_t length = encoding.ids.size();
  std::vector<std::int64_t> labels(length, kIgnoreLabel);
  const auto label = [&](std::size_t i) {
    if (!shows(encoding.ids[i])) labels[i] = encoding.ids[i];
  };
  if (loss_on == LossOn::All) {
    for (std::size_t i = 0; i < length; ++i) label(i);
  } else if (loss_on == LossOn::Assistant) {
    LUTHIER_TRY(const auto ranges, assistant_ranges(row, whole));
    for (std::size_t i = 0; i < length; ++i) {
      const std::size_t begin = encoding.offsets[i].first, end = encoding.offsets[i].second;
      const auto holds = [begin](const std::pair<std::size_t, std::size_t>& range) {
        return range.first <= begin && begin < range.second;
      };
      if (begin < end && std::any_of(ranges.begin(), ranges.end(), holds)) label(i);
    }
  } else if (row.messages.size() > 1 && row.messages.back().role == "assistant") {
    LUTHIER_TRY(const std::size_t start, prompt_length(row, whole, encoding));
    for (std::size_t i = start; i < length; ++i) label(i);
  }
  return labels;
}

}  // namespace luthier
