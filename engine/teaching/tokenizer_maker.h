// SPDX-License-Identifier: GPL-3.0-or-later
// A small Llama-like tokenizer made from text: byte-pair merges within words (Sennrich et al. 2016)
// with byte fallback, written both as sentencepiece's tokenizer.model and as tokenizer.json, so
// that either gives the same ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

struct TokenizerDraft {
  std::vector<std::string>
      pieces;  ///< ids in order: <unk> <s> </s>, 256 bytes, merged pieces, characters
  std::vector<std::pair<std::string, std::string>> merges;  ///< in order of their rank
  std::size_t first_merged = 259;  ///< where the pieces after the bytes begin
};

/// Words with the mark ▁ in place of the space before them, split where letters, Hangul, digits and
/// punctuation meet: no piece crosses such a border.
std::vector<std::string> split_words(const std::string& text);

/// At most `max_pieces` pieces; no merge seen less than `min_count` times. Every printable ASCII
/// character has a piece.
TokenizerDraft make_tokenizer(const std::map<std::string, std::uint64_t>& counts,
                              std::size_t max_pieces, std::uint64_t min_count);

/// tokenizer.model, tokenizer.json, tokenizer_config.json and special_tokens_map.json; <image> and
/// <pad> follow the pieces, in this order.
Status write_tokenizer(const TokenizerDraft& draft, const std::filesystem::path& folder,
                       std::int64_t model_max_length);

}  // namespace luthier
