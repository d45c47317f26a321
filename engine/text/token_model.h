// SPDX-License-Identifier: GPL-3.0-or-later
// What turns one pre-token into vocabulary entries: the `model` section of tokenizer.json.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/tokenizer.h"

namespace luthier {

/// A token and the bytes of the pre-token that it covers.
struct ModelToken {
  std::int32_t id = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

/// Ids are below this in every vocabulary that is accepted.
inline constexpr std::int64_t kMaxVocabulary = 4 << 20;

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

/// Strings to ids and back. Ids need not be without holes, but no id may lie beyond twice the
/// number of entries + 4096.
class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;
  /// A JSON object {"piece": id, ...}.
  static Result<Vocabulary> from_object(const SortedJson& object, const std::string& where);
  /// Pieces in the order of their ids; of equal pieces the last one counts.
  static Vocabulary from_pieces(std::vector<std::string> pieces);

  const std::int32_t* find(std::string_view piece) const {
    const auto found = ids_.find(piece);
    return found == ids_.end() ? nullptr : &found->second;
  }
  /// nullptr where no piece has this id.
  const std::string* piece(std::int64_t id) const;
  std::size_t count() const { return ids_.size(); }
  std::int64_t id_limit() const {
    return static_cast<std::int64_t>(pieces_.size());
  }  ///< largest id + 1

 private:
  std::unordered_map<std::string, std::int32_t, StringHash, std::equal_to<>> ids_;
  std::vector<const std::string*> pieces_;
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  /// Appends the tokens of one non-empty pre-token.
  virtual Status tokenize(std::string_view word, std::vector<ModelToken>& tokens) const = 0;
  virtual bool is_bpe() const { return false; }
  const Vocabulary& vocabulary() const { return vocabulary_; }

 protected:
  explicit TokenModel(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  Vocabulary vocabulary_;
};

/// Reads the section; `where` is the file.
Result<std::unique_ptr<TokenModel>> read_token_model(const SortedJson& model,
                                                     const std::string& where);
Result<std::unique_ptr<TokenModel>> read_bpe(const SortedJson& model, const std::string& where);
Result<std::unique_ptr<TokenModel>> read_unigram(const SortedJson& model, const std::string& where);
Result<std::unique_ptr<TokenModel>> read_wordpiece(const SortedJson& model,
                                                   const std::string& where);
Result<std::unique_ptr<TokenModel>> read_wordlevel(const SortedJson& model,
                                                   const std::string& where);

}  // namespace luthier
