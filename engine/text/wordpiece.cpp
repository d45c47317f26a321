// SPDX-License-Identifier: GPL-3.0-or-later
// WordPiece (longest match from the left, as BERT's) and WordLevel (whole words only).
#include <algorithm>

#include "engine/text/json_fields.h"
#include "engine/text/token_model.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

class WordPiece : public TokenModel {
 public:
  explicit WordPiece(Vocabulary vocabulary) : TokenModel(std::move(vocabulary)) {}
  Status read(const SortedJson& model, const std::string& where) {
    where_ = where;
    LUTHIER_TRY(unknown_, string_field(model, "unk_token", where, "[UNK]"));
    LUTHIER_TRY(prefix_, string_field(model, "continuing_subword_prefix", where, "##"));
    if (find_field(model, "max_input_chars_per_word")) {
      LUTHIER_TRY(const auto most, int_field(model, "max_input_chars_per_word", where, 0, 1 << 30));
      max_characters_ = static_cast<std::size_t>(most);
    }
    for (std::int64_t id = 0; id < vocabulary_.id_limit(); ++id) {
      if (const std::string* piece = vocabulary_.piece(id))
        longest_ = std::max(longest_, piece->size());
    }
    if (longest_ > 4096) return input_error("A piece is longer than 4096 bytes.", where + ".vocab");
    return {};
  }

  Status tokenize(std::string_view word, std::vector<ModelToken>& tokens) const override {
    const std::size_t first = tokens.size();
    bool bad = utf8_count(word) > max_characters_;
    std::string piece;
    for (std::size_t begin = 0; !bad && begin < word.size();) {
      std::size_t end = std::min(word.size(), begin + longest_);
      const std::int32_t* id = nullptr;
      while (end > begin) {
        const bool boundary =
            end == word.size() || (static_cast<unsigned char>(word[end]) & 0xC0) != 0x80;
        if (boundary) {
          piece.assign(begin > 0 ? prefix_ : "").append(word.substr(begin, end - begin));
          if ((id = vocabulary_.find(piece))) break;
        }
        --end;
      }
      if (!id) {
        bad = true;
        break;
      }
      tokens.push_back({*id, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
      begin = end;
    }
    if (!bad) return {};
    tokens.resize(first);
    const std::int32_t* unknown = vocabulary_.find(unknown_);
    if (!unknown)
      return input_error("The unknown token \"" + unknown_ + "\" is not in the vocabulary.",
                         where_ + ".unk_token");
    tokens.push_back({*unknown, 0, static_cast<std::uint32_t>(word.size())});
    return {};
  }

 private:
  std::string unknown_, prefix_, where_;
  std::size_t max_characters_ = 100;
  std::size_t longest_ = 1;
};

class WordLevel : public TokenModel {
 public:
  WordLevel(Vocabulary vocabulary, std::string unknown, std::string where)
      : TokenModel(std::move(vocabulary)), unknown_(std::move(unknown)), where_(std::move(where)) {}
  Status tokenize(std::string_view word, std::vector<ModelToken>& tokens) const override {
    const std::int32_t* id = vocabulary_.find(word);
    if (!id) id = vocabulary_.find(unknown_);
    if (!id)
      return input_error("The unknown token \"" + unknown_ + "\" is not in the vocabulary.",
                         where_ + ".unk_token");
    tokens.push_back({*id, 0, static_cast<std::uint32_t>(word.size())});
    return {};
  }

 private:
  std::string unknown_, where_;
};

Result<Vocabulary> read_vocabulary(const SortedJson& model, const std::string& where) {
  const SortedJson* vocab = find_field(model, "vocab");
  if (!vocab) return input_error("The vocabulary is missing.", where + ".vocab");
  return Vocabulary::from_object(*vocab, where + ".vocab");
}

}  // namespace

Result<std::unique_ptr<TokenModel>> read_wordpiece(const SortedJson& model,
                                                   const std::string& where) {
  LUTHIER_TRY(Vocabulary vocabulary, read_vocabulary(model, where));
  auto wordpiece = std::make_unique<WordPiece>(std::move(vocabulary));
  LUTHIER_CHECK(wordpiece->read(model, where));
  return std::unique_ptr<TokenModel>(std::move(wordpiece));
}

Result<std::unique_ptr<TokenModel>> read_wordlevel(const SortedJson& model,
                                                   const std::string& where) {
  LUTHIER_TRY(Vocabulary vocabulary, read_vocabulary(model, where));
  LUTHIER_TRY(std::string unknown, string_field(model, "unk_token", where, "<unk>"));
  return std::unique_ptr<TokenModel>(
      std::make_unique<WordLevel>(std::move(vocabulary), std::move(unknown), where));
}

}  // namespace luthier
