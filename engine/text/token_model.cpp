// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/token_model.h"

#include "engine/text/json_fields.h"

namespace luthier {

Result<Vocabulary> Vocabulary::from_object(const SortedJson& object, const std::string& where) {
  if (!object.is_object()) return input_error("An object of pieces and ids is needed here.", where);
  Vocabulary vocabulary;
  vocabulary.ids_.reserve(object.size());
  const std::int64_t limit =
      std::min<std::int64_t>(kMaxVocabulary, static_cast<std::int64_t>(object.size()) * 2 + 4096);
  for (auto entry = object.begin(); entry != object.end(); ++entry) {
    const SortedJson& value = entry.value();
    if (!value.is_number_integer() || value < 0 || value >= limit) {
      return input_error("The id of the piece \"" + entry.key() +
                             "\" must be an integer from 0 to " + std::to_string(limit - 1) +
                             ", in keeping with the size of the vocabulary.",
                         where);
    }
    const auto id = value.get<std::int32_t>();
    if (static_cast<std::size_t>(id) >= vocabulary.pieces_.size())
      vocabulary.pieces_.resize(static_cast<std::size_t>(id) + 1, nullptr);
    const auto inserted = vocabulary.ids_.emplace(entry.key(), id).first;
    vocabulary.pieces_[static_cast<std::size_t>(id)] = &inserted->first;
  }
  return vocabulary;
}

Vocabulary Vocabulary::from_pieces(std::vector<std::string> pieces) {
  Vocabulary vocabulary;
  vocabulary.ids_.reserve(pieces.size());
  vocabulary.pieces_.reserve(pieces.size());
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const auto inserted =
        vocabulary.ids_.insert_or_assign(std::move(pieces[id]), static_cast<std::int32_t>(id))
            .first;
    vocabulary.pieces_.push_back(&inserted->first);
  }
  return vocabulary;
}

const std::string* Vocabulary::piece(std::int64_t id) const {
  return id >= 0 && id < id_limit() ? pieces_[static_cast<std::size_t>(id)] : nullptr;
}

Result<std::unique_ptr<TokenModel>> read_token_model(const SortedJson& model,
                                                     const std::string& file) {
  const std::string where = file + ": model";
  if (!model.is_object()) return input_error("An object is needed here.", where);
  std::string type;
  if (find_field(model, "type")) {
    LUTHIER_TRY(type, string_field(model, "type", where));
  } else {
    // Old files do not name the type; the fields tell it.
    const SortedJson* vocabulary = find_field(model, "vocab");
    if (find_field(model, "merges")) {
      type = "BPE";
    } else if (vocabulary && vocabulary->is_array()) {
      type = "Unigram";
    } else {
      type = find_field(model, "continuing_subword_prefix") ? "WordPiece" : "WordLevel";
    }
  }
  if (type == "BPE") return read_bpe(model, where);
  if (type == "Unigram") return read_unigram(model, where);
  if (type == "WordPiece") return read_wordpiece(model, where);
  if (type == "WordLevel") return read_wordlevel(model, where);
  return input_error(
      "The model type \"" + type + "\" is not known; BPE, Unigram, WordPiece and WordLevel are.",
      where + ".type");
}

}  // namespace luthier
