// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/added_tokens.h"

#include <algorithm>

#include "engine/text/json_fields.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

constexpr std::size_t kMaxContent = 1024;  // bytes; bounds the search at each place of the text
constexpr std::size_t kMaxTokens = 1 << 20;

/// Where the white space before `end` begins, `floor` at the lowest.
std::size_t space_before(std::string_view text, std::size_t end, std::size_t floor) {
  while (end > floor) {
    std::size_t begin = end - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    std::size_t next = begin;
    if (!is_space(utf8_next(text, next))) break;
    end = begin;
  }
  return end;
}

/// Where the white space after `begin` ends.
std::size_t space_after(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    std::size_t next = begin;
    if (!is_space(utf8_next(text, next))) break;
    begin = next;
  }
  return begin;
}

bool word_before(std::string_view text, std::size_t end) {
  if (end == 0) return false;
  std::size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return is_word_character(utf8_next(text, begin));
}

bool word_after(std::string_view text, std::size_t begin) {
  return begin < text.size() && is_word_character(utf8_next(text, begin));
}

}  // namespace

template <class AnyJson>
Result<AddedToken> read_added_token(const AnyJson& value, const std::string& where, bool special) {
  AddedToken token;
  token.special = special;
  if (value.is_string()) {
    token.content = value.template get<std::string>();
    token.normalized = !special;
    return token;
  }
  if (!value.is_object()) return input_error("An added token is a string or an object.", where);
  LUTHIER_TRY(token.content, string_field(value, "content", where));
  LUTHIER_TRY(token.single_word, bool_field(value, "single_word", where, false));
  LUTHIER_TRY(token.lstrip, bool_field(value, "lstrip", where, false));
  LUTHIER_TRY(token.rstrip, bool_field(value, "rstrip", where, false));
  LUTHIER_TRY(token.special, bool_field(value, "special", where, special));
  LUTHIER_TRY(token.normalized, bool_field(value, "normalized", where, !token.special));
  return token;
}

template Result<AddedToken> read_added_token(const Json&, const std::string&, bool);
template Result<AddedToken> read_added_token(const SortedJson&, const std::string&, bool);

void TokenFinder::clear() {
  nodes_.assign(1, -1);
  first_.fill(-1);
  children_.clear();
}

std::int32_t TokenFinder::child(std::int32_t node, unsigned char byte) const {
  if (node == 0) return first_[byte];
  const auto found = children_.find((static_cast<std::uint64_t>(node) << 8) | byte);
  return found == children_.end() ? -1 : found->second;
}

void TokenFinder::add(std::string_view pattern, std::int32_t id) {
  std::int32_t node = 0;
  for (const char c : pattern) {
    const auto byte = static_cast<unsigned char>(c);
    std::int32_t next = child(node, byte);
    if (next < 0) {
      next = static_cast<std::int32_t>(nodes_.size());
      nodes_.push_back(-1);
      if (node == 0) {
        first_[byte] = next;
      } else {
        children_[(static_cast<std::uint64_t>(node) << 8) | byte] = next;
      }
    }
    node = next;
  }
  std::int32_t& end = nodes_[static_cast<std::size_t>(node)];
  if (node != 0 && end < 0) end = id;
}

std::pair<std::size_t, std::int32_t> TokenFinder::longest(std::string_view text,
                                                          std::size_t at) const {
  std::pair<std::size_t, std::int32_t> best{0, -1};
  std::int32_t node = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    node = child(node, static_cast<unsigned char>(text[i]));
    if (node < 0) break;
    if (const std::int32_t id = nodes_[static_cast<std::size_t>(node)]; id >= 0)
      best = {i + 1 - at, id};
  }
  return best;
}

Status AddedTokens::add(const AddedToken& token, const Vocabulary& vocabulary,
                        const std::string& where) {
  if (token.content.size() > kMaxContent)
    return input_error("An added token is longer than 1024 bytes.", where);
  if (by_id_.size() >= kMaxTokens)
    return input_error("There are more than a million added tokens.", where);
  if (token.content.empty()) return {};
  if (token.special) special_contents_.insert(token.content);
  const std::optional<std::int32_t> known = id_of(token.content);
  if (known && by_id_.at(*known) == token) return {};
  std::int64_t id = 0;
  if (known) {
    id = *known;
  } else if (const std::int32_t* in_model = vocabulary.find(token.content)) {
    id = *in_model;
  } else {
    // The model's size is its number of pieces; a vocabulary with holes can collide, as it does in
    // tokenizers.
    const auto size = static_cast<std::int64_t>(vocabulary.count());
    id = by_id_.empty() ? size : std::max<std::int64_t>(by_id_.rbegin()->first + 1, size);
  }
  if (id >= kMaxVocabulary)
    return input_error("The added tokens exceed the largest vocabulary that is supported.", where);
  ids_.insert_or_assign(token.content, static_cast<std::int32_t>(id));
  by_id_.insert_or_assign(static_cast<std::int32_t>(id), token);
  return {};
}

Status AddedTokens::finish(const std::function<Status(AlignedText&)>& normalize) {
  raw_.clear();
  normalized_.clear();
  for (const auto& [id, token] : by_id_) {
    if (!token.normalized) {
      raw_.add(token.content, id);
      continue;
    }
    AlignedText content(token.content);
    LUTHIER_CHECK(normalize(content));
    if (content.size() > 16 * kMaxContent)
      return input_error("The added token grows too long when normalized.",
                         "added_tokens: " + token.content);
    normalized_.add(content.text(), id);
    if (content.text() != token.content) shown_[id] = content.text();
  }
  return {};
}

const AddedToken* AddedTokens::find(TokenId id) const {
  if (id < 0 || id >= kMaxVocabulary) return nullptr;
  const auto found = by_id_.find(static_cast<std::int32_t>(id));
  return found == by_id_.end() ? nullptr : &found->second;
}

const std::string* AddedTokens::shown(TokenId id) const {
  const AddedToken* token = find(id);
  if (!token) return nullptr;
  const auto changed = shown_.find(static_cast<std::int32_t>(id));
  return changed == shown_.end() ? &token->content : &changed->second;
}

std::optional<std::int32_t> AddedTokens::id_of(std::string_view content) const {
  const auto found = ids_.find(content);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

void AddedTokens::split(const AlignedText& text, bool normalized, bool leave_special,
                        std::vector<TextPart>& parts) const {
  const TokenFinder& finder = normalized ? normalized_ : raw_;
  const std::string_view view = text.text();
  std::size_t done = 0, space_begin = 1, space_end = 0;
  if (!finder.empty()) {
    for (std::size_t at = 0; at < view.size();) {
      const auto [length, id] = finder.longest(view, at);
      if (length == 0) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + length;
      at = end;
      const AddedToken& token = by_id_.at(id);
      if (leave_special && is_special(token.content)) continue;
      if (token.single_word && (word_before(view, begin) || word_after(view, end))) continue;
      if (token.lstrip) begin = std::max(space_before(view, begin, done), done);
      if (token.rstrip) {
        // Looking twice over the same white space would be quadratic.
        if (end < space_begin || end > space_end) space_end = space_after(view, space_begin = end);
        end = space_end;
      }
      if (done < begin) parts.push_back({text.slice(done, begin), std::nullopt});
      parts.push_back({text.slice(begin, end), id});
      done = end;
    }
  }
  if (done < view.size())
    parts.push_back({done == 0 ? text : text.slice(done, view.size()), std::nullopt});
}

}  // namespace luthier
