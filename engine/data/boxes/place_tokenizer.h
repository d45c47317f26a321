// SPDX-License-Identifier: GPL-3.0-or-later
// The tokenizer of a model that looks at pictures, and how that model writes boxes. Places in a
// picture are special tokens to some tokenizers (Florence-2, Qwen2-VL, InternVL), which an answer's
// text leaves out; here they stay, since they are what was asked for.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/data/boxes/box_notation.h"
#include "engine/text/tokenizer.h"

namespace luthier {

class PlaceTokenizer : public Tokenizer {
 public:
  PlaceTokenizer(std::shared_ptr<const Tokenizer> own, const BoxNotation& notation);

  Result<Encoding> encode(std::string_view text, bool add_special_tokens) const override {
    return own_->encode(text, add_special_tokens);
  }
  Result<std::string> decode(std::span<const TokenId> ids, bool skip_special) const override;
  std::int64_t vocab_size() const override { return own_->vocab_size(); }
  std::optional<TokenId> token_to_id(std::string_view token) const override {
    return own_->token_to_id(token);
  }
  std::string id_to_token(TokenId id) const override { return own_->id_to_token(id); }
  bool is_special(TokenId id) const override { return !stays(id) && own_->is_special(id); }
  std::vector<PairPiece> pair_pieces() const override { return own_->pair_pieces(); }

  const BoxNotation& notation() const { return *notation_; }
  /// What the words' own tokenizer makes of an answer: without all special tokens.
  Result<std::string> without_places(std::span<const TokenId> ids) const {
    return own_->decode(ids, /*skip_special=*/true);
  }

 private:
  bool stays(TokenId id) const;

  std::shared_ptr<const Tokenizer> own_;
  const BoxNotation* notation_;
  std::vector<TokenId> places_;  ///< special tokens that stay, in their order
};

/// By the model_type of the folder's config.json; a folder that says none gets plain JSON.
const BoxNotation& box_notation_of(const std::filesystem::path& folder);

}  // namespace luthier
