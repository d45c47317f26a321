// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/tokenizer_json.h"

#include <algorithm>

#include "engine/text/json_fields.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

constexpr std::size_t kMaxText = 256u << 20;  // bytes

}  // namespace

Result<std::unique_ptr<JsonTokenizer>> JsonTokenizer::from_json(const SortedJson& root,
                                                                const std::string& where) {
  if (!root.is_object()) return input_error("An object is needed here.", where);
  const SortedJson none;
  const auto section = [&](const char* key) -> const SortedJson& {
    const SortedJson* found = find_field(root, key);
    return found ? *found : none;
  };
  auto tokenizer = std::unique_ptr<JsonTokenizer>(new JsonTokenizer);
  tokenizer->where_ = where;
  LUTHIER_TRY(tokenizer->model_, read_token_model(section("model"), where));
  LUTHIER_TRY(tokenizer->normalizer_,
              read_normalizer(section("normalizer"), where + ": normalizer"));
  LUTHIER_TRY(tokenizer->pre_tokenizer_,
              read_pre_tokenizer(section("pre_tokenizer"), where + ": pre_tokenizer"));
  LUTHIER_TRY(tokenizer->post_processor_,
              PostProcessor::read(section("post_processor"), where + ": post_processor"));
  LUTHIER_TRY(tokenizer->decoder_, read_decoder(section("decoder"), where + ": decoder"));
  const SortedJson& added = section("added_tokens");
  if (!added.is_null() && !added.is_array())
    return input_error("A list of added tokens is needed here.", where + ": added_tokens");
  std::size_t i = 0;
  for (const SortedJson& entry : added) {
    const std::string at = where + ": added_tokens[" + std::to_string(i++) + "]";
    LUTHIER_TRY(const AddedToken token, read_added_token(entry, at, false));
    LUTHIER_CHECK(tokenizer->add_token(token, at));
  }
  LUTHIER_CHECK(tokenizer->finish());
  return tokenizer;
}

Status JsonTokenizer::finish() {
  LUTHIER_CHECK(added_.finish([this](AlignedText& text) { return normalize(text); }));
  vocab_size_ = std::max(model_->vocabulary().id_limit(), added_.id_limit());
  if (post_processor_.largest_id() >= vocab_size_) {
    return input_error("The post-processor adds the id " +
                           std::to_string(post_processor_.largest_id()) +
                           ", which the vocabulary does not have.",
                       where_ + ": post_processor");
  }
  return {};
}

Result<Encoding> JsonTokenizer::encode(std::string_view text, bool add_special_tokens) const {
  if (text.size() > kMaxText) return input_error("The text is longer than 256 MiB.", "text");
  if (!utf8_valid(text))
    return input_error("The text is not valid UTF-8.", "text", "Save it as UTF-8.");
  std::vector<TextPart> raw, parts;
  added_.split(AlignedText(text), false, split_special_, raw);
  for (TextPart& part : raw) {
    if (part.token) {
      parts.push_back(std::move(part));
      continue;
    }
    LUTHIER_CHECK(normalize(part.text));
    added_.split(part.text, true, split_special_, parts);
  }
  if (pre_tokenizer_) LUTHIER_CHECK(pre_tokenizer_->apply(parts));

  std::vector<ModelToken> tokens, word;
  for (const TextPart& part : parts) {
    if (part.token) {
      const Span span = part.text.span(0, part.text.size());
      tokens.push_back({*part.token, span.begin, span.end});
      continue;
    }
    if (part.text.empty()) continue;
    word.clear();
    LUTHIER_CHECK(model_->tokenize(part.text.text(), word));
    for (const ModelToken& token : word) {
      const Span span = part.text.span(token.begin, token.end);
      tokens.push_back({token.id, span.begin, span.end});
    }
  }
  if (add_special_tokens) LUTHIER_CHECK(post_processor_.apply(tokens));

  Encoding encoding;
  encoding.ids.reserve(tokens.size());
  encoding.pieces.reserve(tokens.size());
  encoding.offsets.reserve(tokens.size());
  for (const ModelToken& token : tokens) {
    encoding.ids.push_back(token.id);
    encoding.pieces.push_back(id_to_token(token.id));
    encoding.offsets.emplace_back(token.begin, token.end);
  }
  return encoding;
}

Result<std::string> JsonTokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::vector<std::string> pieces;
  pieces.reserve(ids.size());
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocab_size_) {
      return input_error("The token id " + std::to_string(id) +
                             " is outside of the vocabulary of " + std::to_string(vocab_size_) +
                             ".",
                         where_);
    }
    std::string piece = id_to_token(id);
    if (piece.empty() || (skip_special && added_.is_special(piece))) continue;
    pieces.push_back(std::move(piece));
  }
  std::string text;
  if (decoder_) {
    LUTHIER_CHECK(decoder_->apply(pieces));
    for (const std::string& piece : pieces) text += piece;
  } else {
    for (std::size_t i = 0; i < pieces.size(); ++i) text += (i == 0 ? "" : " ") + pieces[i];
  }
  return clean_up_ ? clean_up_spaces(std::move(text), false) : text;
}

std::optional<TokenId> JsonTokenizer::token_to_id(std::string_view token) const {
  if (const auto id = added_.id_of(token)) return *id;
  const std::int32_t* id = model_->vocabulary().find(token);
  return id ? std::optional<TokenId>(*id) : std::nullopt;
}

std::string JsonTokenizer::id_to_token(TokenId id) const {
  if (const std::string* added = added_.shown(id)) return *added;
  const std::string* piece = model_->vocabulary().piece(id);
  return piece ? *piece : std::string();
}

bool JsonTokenizer::is_special(TokenId id) const {
  const std::string piece = id_to_token(id);
  return !piece.empty() && added_.is_special(piece);
}

Result<std::unique_ptr<Tokenizer>> tokenizer_from_json(std::string_view text,
                                                       const std::string& where) {
  LUTHIER_TRY(const SortedJson root, parse_sorted_json(text, where));
  LUTHIER_TRY(auto tokenizer, JsonTokenizer::from_json(root, where));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace luthier
