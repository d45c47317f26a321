// SPDX-License-Identifier: GPL-3.0-or-later
// Tokens added beside the model's vocabulary: they are cut out of the text before anything else
// sees it.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/result.h"
#include "engine/text/aligned_text.h"
#include "engine/text/token_model.h"

namespace luthier {

struct AddedToken {
  std::string content;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = true;
  bool special = false;
  bool operator==(const AddedToken&) const = default;
};

/// An added token as JSON writes it, a string (then `special` and not normalized as given) or an
/// object.
template <class AnyJson>
Result<AddedToken> read_added_token(const AnyJson& value, const std::string& where, bool special);

/// A set of strings to find in a text: at each place the longest one, from left to right, without
/// overlap.
class TokenFinder {
 public:
  TokenFinder() { clear(); }
  void clear();
  /// The first of two equal patterns counts. Empty patterns are ignored.
  void add(std::string_view pattern, std::int32_t id);
  bool empty() const { return nodes_.size() == 1; }
  /// Length and id of the longest pattern that starts at `at`; length 0 where none does.
  std::pair<std::size_t, std::int32_t> longest(std::string_view text, std::size_t at) const;

 private:
  std::int32_t child(std::int32_t node, unsigned char byte) const;
  std::vector<std::int32_t> nodes_;  ///< the id that ends here, or -1
  std::array<std::int32_t, 256> first_;
  std::unordered_map<std::uint64_t, std::int32_t> children_;  ///< node << 8 | byte
};

/// A piece of the text: an added token, or text still to be tokenized.
struct TextPart {
  AlignedText text;
  std::optional<std::int32_t> token;
};

class AddedTokens {
 public:
  /// As tokenizers does: an existing id where the model or an earlier token has this content, else
  /// the next free one.
  Status add(const AddedToken& token, const Vocabulary& vocabulary, const std::string& where);
  /// To be called after the last add(). `normalize` is the tokenizer's normalizer.
  Status finish(const std::function<Status(AlignedText&)>& normalize);

  const AddedToken* find(TokenId id) const;
  /// How the token is written in pieces and decoded text: normalized where it is looked for so.
  /// nullptr: no such token.
  const std::string* shown(TokenId id) const;
  std::optional<std::int32_t> id_of(std::string_view content) const;
  bool is_special(std::string_view content) const { return special_contents_.contains(content); }
  std::int64_t id_limit() const { return by_id_.empty() ? 0 : by_id_.rbegin()->first + 1; }

  /// Cuts tokens out of the text. `normalized`: those that are looked for after normalizing.
  void split(const AlignedText& text, bool normalized, bool leave_special,
             std::vector<TextPart>& parts) const;

 private:
  std::map<std::string, std::int32_t, std::less<>> ids_;
  std::map<std::int32_t, AddedToken> by_id_;
  std::map<std::int32_t, std::string>
      shown_;  ///< what a normalized token looks like in the text, where that differs
  std::set<std::string, std::less<>> special_contents_;
  TokenFinder raw_, normalized_;
};

}  // namespace luthier
