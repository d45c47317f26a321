// SPDX-License-Identifier: GPL-3.0-or-later
// Text to token ids and back. `tokenizer.json` is the truth where it exists; a folder with
// `tokenizer.model` alone goes through sentencepiece, as transformers' LlamaTokenizer does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

using TokenId = std::int64_t;

struct Encoding {
  std::vector<TokenId> ids;
  std::vector<std::string> pieces;  ///< as the vocabulary writes them
  std::vector<std::pair<std::size_t, std::size_t>>
      offsets;  ///< byte range in the input; empty range for added specials
};

struct SpecialTokens {
  std::optional<TokenId> bos, eos, pad, unk, mask;
  std::string bos_text, eos_text, pad_text, unk_text,
      mask_text;  ///< what chat templates call bos_token, eos_token, ...
};

/// A piece of how two texts are read together: a token of the template's own, or one of the texts.
struct PairPiece {
  std::optional<TokenId> token;  ///< none: a text
  int text = 0;                  ///< which: 0 or 1
  std::int64_t type = 0;         ///< token_type_ids of all its tokens
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Reads tokenizer.json, tokenizer_config.json, special_tokens_map.json, added_tokens.json,
  /// tokenizer.model of a folder.
  static Result<std::unique_ptr<Tokenizer>> load(const std::filesystem::path& folder);

  /// `add_special_tokens`: what the post-processor (or add_bos_token/add_eos_token) adds. Every id
  /// is below vocab_size().
  virtual Result<Encoding> encode(std::string_view text, bool add_special_tokens) const = 0;
  /// Ids out of range are an Input error. `skip_special`: leave special added tokens out.
  virtual Result<std::string> decode(std::span<const TokenId> ids, bool skip_special) const = 0;
  virtual std::int64_t vocab_size() const = 0;  ///< with added tokens
  virtual std::optional<TokenId> token_to_id(std::string_view token) const = 0;
  virtual std::string id_to_token(TokenId id) const = 0;  ///< "" out of range
  virtual bool is_special(TokenId id) const = 0;
  /// How two texts are read together, as the post-processor says; empty: it does not.
  virtual std::vector<PairPiece> pair_pieces() const { return {}; }

  const SpecialTokens& special() const { return special_; }

 protected:
  SpecialTokens special_;
};

}  // namespace luthier
