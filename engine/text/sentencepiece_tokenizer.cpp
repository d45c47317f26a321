// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/sentencepiece_tokenizer.h"

#include <set>

#include <sentencepiece_processor.h>

#include "engine/text/decoders.h"
#include "engine/text/json_fields.h"
#include "engine/text/sentencepiece_model.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

constexpr std::size_t kMaxPieceText = 64u << 20;  // bytes
constexpr std::string_view kUnderline = "\xE2\x96\x81";

/// What Python takes for white space: the separators of ASCII, too.
bool is_python_space(char32_t character) {
  return is_space(character) || (character >= 0x1C && character <= 0x1F);
}

bool is_ascii_punctuation(char32_t character) {
  return character < 0x80 && is_punctuation(character);
}

/// SiglipTokenizer's text: lower letters, no punctuation of ASCII, single spaces and none around
/// it.
AlignedText canonical(const AlignedText& text, bool lower) {
  AlignedText::Writer writer(text);
  bool wrote = false, space = false;
  std::size_t space_begin = 0, space_end = 0;
  std::string written;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t character = utf8_next(text.text(), at);
    if (is_ascii_punctuation(character)) continue;
    if (is_python_space(character)) {
      if (!space) space_begin = begin;
      space = true, space_end = at;
      continue;
    }
    if (space && wrote) writer.put(" ", space_begin, space_end);
    written.clear();
    lower ? append_lower(written, character) : utf8_append(written, character);
    writer.put(written, begin, at);
    wrote = true, space = false;
  }
  return writer.take();
}

class SentencePieceTokenizer : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(SentencePieceRules rules)
      : canonical_(rules == SentencePieceRules::Siglip) {}
  Status open(SentencePieceModel model, const std::string& where, const TokenizerConfig& config);

  Result<Encoding> encode(std::string_view text, bool add_special_tokens) const override;
  Result<std::string> decode(std::span<const TokenId> ids, bool skip_special) const override;
  std::int64_t vocab_size() const override { return vocab_size_; }
  std::optional<TokenId> token_to_id(std::string_view token) const override;
  std::string id_to_token(TokenId id) const override;
  bool is_special(TokenId id) const override {
    const auto added =
        id >= 0 && id < vocab_size_ ? added_.find(static_cast<std::int32_t>(id)) : added_.end();
    return (added != added_.end() && added->second.special) || named_.contains(id_to_token(id));
  }

 private:
  struct Token {
    std::string text;
    Span span;
  };
  Status read_flags(const TokenizerConfig& config);
  Status add_configured_tokens(const TokenizerConfig& config);
  Status add_token(const AddedToken& token);
  std::vector<AlignedText> cut(const AlignedText& text) const;
  Status encode_part(const AlignedText& part, std::vector<Token>& tokens) const;
  Result<std::string> pieces_to_text(std::vector<std::string> pieces) const;
  Result<std::string> plain_text(const std::vector<std::string>& pieces) const;

  std::string where_;
  sentencepiece::SentencePieceProcessor processor_;
  Vocabulary vocabulary_;
  const bool canonical_;  ///< SiglipTokenizer's rules
  bool lower_ = true, legacy_ = true, add_bos_ = true, add_eos_ = false, add_prefix_space_ = true,
       clean_up_ = false, split_special_ = false;
  TokenId unknown_id_ = -1;  ///< of the piece that stands for the unknown, whatever it is called
  std::string unknown_;
  std::size_t unknown_length_ = 0;  ///< pieces of the unknown token's own text
  std::map<std::string, std::int32_t, std::less<>> added_ids_;
  std::map<std::int32_t, AddedToken> added_;
  std::set<std::string, std::less<>> named_;  ///< contents of named and extra special tokens
  std::set<std::string, std::less<>> apart_;  ///< added tokens that decoding sets apart with spaces
  TokenFinder finder_;
  std::int64_t vocab_size_ = 0;
};

Status SentencePieceTokenizer::read_flags(const TokenizerConfig& config) {
  LUTHIER_TRY(legacy_, bool_field(config.values, "legacy", config.where, true));
  LUTHIER_TRY(lower_, bool_field(config.values, "do_lower_case", config.where, true));
  LUTHIER_TRY(add_bos_, bool_field(config.values, "add_bos_token", config.where, true));
  LUTHIER_TRY(add_eos_, bool_field(config.values, "add_eos_token", config.where, false));
  LUTHIER_TRY(add_prefix_space_, bool_field(config.values, "add_prefix_space", config.where, true));
  LUTHIER_TRY(clean_up_,
              bool_field(config.values, "clean_up_tokenization_spaces", config.where, false));
  LUTHIER_TRY(split_special_,
              bool_field(config.values, "split_special_tokens", config.where, false));
  if (canonical_) add_bos_ = false, add_eos_ = true;
  return {};
}

Status SentencePieceTokenizer::open(SentencePieceModel model, const std::string& where,
                                    const TokenizerConfig& config) {
  where_ = where;
  LUTHIER_CHECK(read_flags(config));
  if (!legacy_) model.add_dummy_prefix = false;
  try {
    const auto status = processor_.LoadFromSerializedProto(model.serialize());
    if (!status.ok())
      return input_error("sentencepiece does not accept the model: " + status.ToString() + ".",
                         where_);
  } catch (const std::exception& error) {
    return input_error(
        std::string("sentencepiece does not accept the model: ") + error.what() + ".", where_);
  }
  std::vector<std::string> pieces;
  for (auto& piece : model.pieces) {
    if (piece.type == SentencePieceModel::Type::Unknown)
      unknown_id_ = static_cast<TokenId>(pieces.size());
    pieces.push_back(std::move(piece.text));
  }
  vocabulary_ = Vocabulary::from_pieces(std::move(pieces));
  LUTHIER_CHECK(add_configured_tokens(config));
  vocab_size_ =
      std::max(vocabulary_.id_limit(),
               added_.empty() ? 0 : static_cast<std::int64_t>(added_.rbegin()->first) + 1);
  if (!legacy_ || canonical_) {
    std::vector<std::string> encoded;
    if (processor_.Encode(unknown_, &encoded).ok()) unknown_length_ = encoded.size();
  }
  return {};
}

/// The order is that of the former class: the listed tokens by their ids, then the named ones, at
/// the end where new.
Status SentencePieceTokenizer::add_configured_tokens(const TokenizerConfig& given) {
  TokenizerConfig config = given;
  config.set_default("unk_token", "<unk>");
  if (!canonical_) config.set_default("bos_token", "<s>");
  config.set_default("eos_token", "</s>");
  if (canonical_) {
    config.set_default("pad_token", "</s>");
    // Its class takes the spaces around them where no list of added tokens says otherwise.
    for (auto& [name, token] : config.named)
      if (!config.has_added_tokens_decoder) token.lstrip = token.rstrip = true;
  }
  for (const auto& [id, token] : config.added_tokens) {
    if (token.content.empty() || token.content.size() > 1024)
      return input_error("An added token must have 1 to 1024 bytes.", config.where);
    const std::string* piece = vocabulary_.piece(id);
    if ((piece && *piece != token.content && vocabulary_.find(token.content)) ||
        (!piece && id >= vocabulary_.id_limit() + (1 << 16))) {
      return input_error(
          "The added token \"" + token.content + "\" has an id that does not fit the vocabulary.",
          config.where);
    }
    added_[static_cast<std::int32_t>(id)] = token;
    added_ids_[token.content] = static_cast<std::int32_t>(id);
  }
  for (const auto& [name, token] : config.named) named_.insert(token.content);
  for (const AddedToken& token : config.extra) named_.insert(token.content);
  static constexpr const char* kOrder[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                           "pad_token", "cls_token", "mask_token"};
  for (const char* name : kOrder) {
    if (const AddedToken* token = config.find(name)) LUTHIER_CHECK(add_token(*token));
  }
  for (const auto& [name, token] : config.named) LUTHIER_CHECK(add_token(token));
  for (const AddedToken& token : config.extra) LUTHIER_CHECK(add_token(token));
  for (const auto& [id, token] : added_) {
    finder_.add(token.content, id);
    if (!named_.contains(token.content)) apart_.insert(token.content);
  }
  for (const AddedToken& token : config.extra) {
    const auto added = added_ids_.find(token.content);
    if (added != added_ids_.end() && added->second >= vocabulary_.id_limit())
      apart_.insert(token.content);
  }
  const auto set = [&](const char* name, std::optional<TokenId>& id, std::string& text) {
    if (const AddedToken* token = config.find(name)) {
      text = token->content;
      id = token_to_id(text);
    }
  };
  set("bos_token", special_.bos, special_.bos_text);
  set("eos_token", special_.eos, special_.eos_text);
  set("pad_token", special_.pad, special_.pad_text);
  set("unk_token", special_.unk, special_.unk_text);
  unknown_ = special_.unk_text;
  return {};
}

Status SentencePieceTokenizer::add_token(const AddedToken& token) {
  if (token.content.empty() || added_ids_.contains(token.content)) return {};
  if (token.content.size() > 1024)
    return input_error("An added token is longer than 1024 bytes.", where_);
  const std::int32_t* known = vocabulary_.find(token.content);
  std::int64_t id = known ? *known : vocabulary_.id_limit();
  if (!known && !added_.empty()) id = std::max<std::int64_t>(id, added_.rbegin()->first + 1);
  added_[static_cast<std::int32_t>(id)] = token;
  added_ids_[token.content] = static_cast<std::int32_t>(id);
  return {};
}

/// The text between added tokens, and the tokens; the parts' neighbours are stripped as the tokens
/// ask. Text that is an added token's content counts as that token, wherever it came from.
std::vector<AlignedText> SentencePieceTokenizer::cut(const AlignedText& text) const {
  if (split_special_) return {text};
  std::vector<AlignedText> parts;
  const std::string_view view = text.text();
  std::size_t done = 0;
  for (std::size_t at = 0; at < view.size();) {
    const auto [length, id] = finder_.longest(view, at);
    if (length == 0) {
      ++at;
      continue;
    }
    if (done < at) parts.push_back(text.slice(done, at));
    parts.push_back(text.slice(at, at + length));
    done = at += length;
  }
  if (done < view.size()) parts.push_back(done == 0 ? text : text.slice(done, view.size()));
  const auto trim = [](AlignedText& part, bool left, bool right) {
    const std::string& source = part.text();
    std::size_t begin = 0, end = source.size(), last = 0;
    for (std::size_t at = 0, next = 0; left && at < source.size(); at = begin = next) {
      next = at;
      if (!is_space(utf8_next(source, next))) break;
    }
    for (std::size_t at = begin; right && at < source.size();) {
      if (!is_space(utf8_next(source, at))) last = at;
    }
    if (right) end = std::max(begin, last);
    part = part.slice(begin, end);
  };
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto known = added_ids_.find(parts[i].text());
    if (known == added_ids_.end()) continue;
    const AddedToken& token = added_.at(known->second);
    AlignedText* left = i > 0 && !parts[i - 1].empty() ? &parts[i - 1] : nullptr;
    AlignedText* right = i + 1 < parts.size() && !parts[i + 1].empty() ? &parts[i + 1] : nullptr;
    if (token.rstrip && right) trim(*right, true, false);
    if (token.lstrip && left) trim(*left, false, true);
  }
  return parts;
}

Status SentencePieceTokenizer::encode_part(const AlignedText& given,
                                           std::vector<Token>& tokens) const {
  const AlignedText part = canonical_ ? canonical(given, lower_) : given;
  const std::string& text = part.text();
  const bool guarded =
      canonical_ || (!legacy_ && (text.starts_with(kUnderline) || text.starts_with(' ')));
  const std::string input = guarded ? unknown_ + text : text;
  const std::size_t shift = guarded ? unknown_.size() : 0;
  sentencepiece::ImmutableSentencePieceText encoded;
  const auto status = processor_.Encode(input, encoded.mutable_proto());
  if (!status.ok())
    return input_error("sentencepiece cannot encode the text: " + status.ToString() + ".", where_);
  const std::size_t count = encoded.pieces_size();
  const std::size_t skip = guarded && count >= unknown_length_ ? unknown_length_ : 0;
  for (std::size_t i = skip; i < count; ++i) {
    const auto piece = encoded.pieces(static_cast<int>(i));
    const std::size_t begin =
        std::min(std::max<std::size_t>(piece.begin(), shift) - shift, text.size());
    const std::size_t end =
        std::min(std::max<std::size_t>(piece.end(), shift) - shift, text.size());
    tokens.push_back({piece.piece(), part.span(begin, end)});
  }
  return {};
}

Result<Encoding> SentencePieceTokenizer::encode(std::string_view text,
                                                bool add_special_tokens) const {
  if (text.size() > kMaxPieceText) return input_error("The text is longer than 64 MiB.", "text");
  if (!utf8_valid(text))
    return input_error("The text is not valid UTF-8.", "text", "Save it as UTF-8.");
  AlignedText whole(canonical_ && text.empty() ? kUnderline : text);
  if (canonical_ && !text.empty()) {
    whole.replace(kUnderline, " ");
    whole.prepend(kUnderline);
  } else if (!canonical_ && !legacy_ && !whole.empty()) {
    whole.replace(kUnderline, " ");
    if (add_prefix_space_) whole.prepend(kUnderline);
  }
  std::vector<Token> tokens;
  for (const AlignedText& part : cut(whole)) {
    if (part.empty()) continue;
    if (!split_special_ && added_ids_.contains(part.text())) {
      tokens.push_back({part.text(), part.span(0, part.size())});
    } else {
      LUTHIER_CHECK(encode_part(part, tokens));
    }
  }
  if ((!legacy_ || canonical_) && tokens.size() > 1 && tokens[0].text == kUnderline &&
      named_.contains(tokens[1].text))
    tokens.erase(tokens.begin());

  Encoding encoding;
  const auto add = [&](TokenId id, Span span) {
    encoding.ids.push_back(id);
    encoding.pieces.push_back(id_to_token(id));
    const std::size_t size = text.size();  // of nothing at all a piece may be left
    encoding.offsets.emplace_back(std::min<std::size_t>(span.begin, size),
                                  std::min<std::size_t>(span.end, size));
  };
  if (add_special_tokens && add_bos_ && special_.bos) add(*special_.bos, {});
  for (const Token& token : tokens) add(token_to_id(token.text).value_or(unknown_id_), token.span);
  const auto end = static_cast<std::uint32_t>(text.size());
  const bool ended = canonical_ && !encoding.ids.empty() && encoding.ids.back() == special_.eos;
  if (add_special_tokens && add_eos_ && special_.eos && !ended) add(*special_.eos, {end, end});
  return encoding;
}

Result<std::string> SentencePieceTokenizer::plain_text(
    const std::vector<std::string>& pieces) const {
  std::string text;
  const auto status = processor_.Decode(pieces, &text);
  if (!status.ok())
    return input_error("sentencepiece cannot decode the tokens: " + status.ToString() + ".",
                       where_);
  return text;
}

Result<std::string> SentencePieceTokenizer::pieces_to_text(std::vector<std::string> pieces) const {
  if (add_prefix_space_ && pieces[0].starts_with(kUnderline)) pieces[0].erase(0, kUnderline.size());
  std::string text;
  std::vector<std::string> run;
  bool after_special = false;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (named_.contains(pieces[i])) {
      if (!after_special && i != 0 && legacy_) text += ' ';
      LUTHIER_TRY(const std::string part, plain_text(run));
      text += part + pieces[i];
      run.clear();
      after_special = true;
    } else {
      if (after_special && i == 1 && add_prefix_space_ && !pieces[i].starts_with(kUnderline))
        text += ' ';
      run.push_back(pieces[i]);
      after_special = false;
    }
  }
  LUTHIER_TRY(const std::string part, plain_text(run));
  return text + part;
}

Result<std::string> SentencePieceTokenizer::decode(std::span<const TokenId> ids,
                                                   bool skip_special) const {
  std::vector<std::string> texts, run;
  const auto flush = [&]() -> Status {
    if (run.empty()) return {};
    LUTHIER_TRY(std::string text, pieces_to_text(std::move(run)));
    run.clear();
    if (!text.empty()) texts.push_back(std::move(text));
    return {};
  };
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocab_size_) {
      return input_error("The token id " + std::to_string(id) +
                             " is outside of the vocabulary of " + std::to_string(vocab_size_) +
                             ".",
                         where_);
    }
    std::string piece = id_to_token(id);
    if (piece.empty() || (skip_special && named_.contains(piece))) continue;
    if (apart_.contains(piece)) {
      LUTHIER_CHECK(flush());
      texts.push_back(std::move(piece));
    } else {
      run.push_back(std::move(piece));
    }
  }
  LUTHIER_CHECK(flush());
  std::string text;
  for (std::size_t i = 0; i < texts.size(); ++i) text += (i == 0 ? "" : " ") + texts[i];
  return clean_up_ ? clean_up_spaces(std::move(text), false) : text;
}

std::optional<TokenId> SentencePieceTokenizer::token_to_id(std::string_view token) const {
  if (const auto added = added_ids_.find(token); added != added_ids_.end()) return added->second;
  const std::int32_t* id = vocabulary_.find(token);
  return id ? std::optional<TokenId>(*id) : std::nullopt;
}

std::string SentencePieceTokenizer::id_to_token(TokenId id) const {
  if (id < 0 || id >= vocab_size_) return "";
  if (const auto added = added_.find(static_cast<std::int32_t>(id)); added != added_.end())
    return added->second.content;
  const std::string* piece = vocabulary_.piece(id);
  return piece ? *piece : std::string();
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> load_sentencepiece(std::string_view bytes,
                                                      const std::string& where,
                                                      const TokenizerConfig& config,
                                                      SentencePieceRules rules) {
  LUTHIER_TRY(SentencePieceModel model, read_sentencepiece_model(bytes, where));
  auto tokenizer = std::make_unique<SentencePieceTokenizer>(rules);
  LUTHIER_CHECK(tokenizer->open(std::move(model), where, config));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace luthier
