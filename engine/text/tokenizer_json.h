// SPDX-License-Identifier: GPL-3.0-or-later
// tokenizer.json as the tokenizers library reads it: added tokens, normalizer, pre-tokenizer,
// model, post-processor, decoder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/text/added_tokens.h"
#include "engine/text/decoders.h"
#include "engine/text/normalizers.h"
#include "engine/text/post_processor.h"
#include "engine/text/pre_tokenizers.h"
#include "engine/text/token_model.h"
#include "engine/text/tokenizer.h"

namespace luthier {

class JsonTokenizer : public Tokenizer {
 public:
  /// `where` names the file.
  static Result<std::unique_ptr<JsonTokenizer>> from_json(const SortedJson& root,
                                                          const std::string& where);

  Result<Encoding> encode(std::string_view text, bool add_special_tokens) const override;
  Result<std::string> decode(std::span<const TokenId> ids, bool skip_special) const override;
  std::int64_t vocab_size() const override { return vocab_size_; }
  std::optional<TokenId> token_to_id(std::string_view token) const override;
  std::string id_to_token(TokenId id) const override;
  bool is_special(TokenId id) const override;
  std::vector<PairPiece> pair_pieces() const override { return post_processor_.pair(); }

  // What a folder's tokenizer_config.json changes; finish() must follow the last change.
  Status add_token(const AddedToken& token, const std::string& where) {
    return added_.add(token, model_->vocabulary(), where);
  }
  const AddedTokens& added() const { return added_; }
  bool is_bpe() const { return model_->is_bpe(); }
  void set_special(SpecialTokens special) { special_ = std::move(special); }
  void set_split_special(bool split) { split_special_ = split; }
  void set_clean_up(bool clean) { clean_up_ = clean; }
  Status finish();

 private:
  Status normalize(AlignedText& text) const {
    return normalizer_ ? normalizer_->apply(text) : Status();
  }

  AddedTokens added_;
  std::unique_ptr<Normalizer> normalizer_;
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  std::unique_ptr<TokenModel> model_;
  PostProcessor post_processor_;
  std::unique_ptr<Decoder> decoder_;
  std::string where_;
  std::int64_t vocab_size_ = 0;
  bool split_special_ = false, clean_up_ = false;
};

/// A whole tokenizer.json from memory, without the files that may stand beside it.
Result<std::unique_ptr<Tokenizer>> tokenizer_from_json(std::string_view text,
                                                       const std::string& where);

}  // namespace luthier
