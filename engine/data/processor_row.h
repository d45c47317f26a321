// SPDX-License-Identifier: GPL-3.0-or-later
// The chat processor's working state for one row. Internal to the data room.
#pragma once

#include "engine/data/processor.h"

namespace luthier {

inline constexpr std::size_t kMaxExpandedBytes =
    256u << 20;  ///< of a row's text with its pictures' tokens

/// What a row of one question and its answer cannot say; nullptr: it is in order.
const char* one_turn_refusal(const std::vector<Message>& messages);
/// A message's texts, one after another.
std::string joined_text(const Message& message);

/// Cuts what is read and what is written for it to `most` tokens each; <= 0: no limit.
void cut_both_texts(const Tokenizer& tokenizer, std::int64_t most, Example& example);

/// A rendered text, the places of its pictures filled.
struct ChatProcessor::FilledText {
  std::string text;
  std::vector<std::pair<std::size_t, std::size_t>>
      generation;  ///< byte ranges of {% generation %} in `text`
  std::vector<std::pair<std::size_t, std::size_t>>
      moves;              ///< after each mark: its end in the rendered text, its end in `text`
  bool adds_bos = false;  ///< ImageTokens::writes_bos, and the template wrote none

  /// Where a byte of the rendered text stands in `text`.
  std::size_t moved(std::size_t rendered) const {
    std::size_t from = 0, to = 0;
    for (const auto& [source, target] : moves) {
      if (source > rendered) break;
      from = source;
      to = target;
    }
    return to + (rendered - from);
  }
};

struct ChatProcessor::Row {
  const std::vector<Message>& messages;
  const std::string& where;
  RowFault* fault = nullptr;
  bool prompt_only = false;
  std::vector<PixelValues> pictures;
  struct Replacement {
    std::string text;
    bool film = false;
  };
  std::vector<Replacement> replacements;  ///< one a picture or film
  const Json* tools = nullptr;            ///< the row's, where it has any

  Error error(RowFault kind, std::string what, std::string hint = {}) const;
  Error about(RowFault kind, Error cause) const;
};

}  // namespace luthier
