// SPDX-License-Identifier: GPL-3.0-or-later
// What encoders read that is no single text: two texts as one row, words that are tokenized each
// for itself, and a picture with no text at all; as tokenizers of transformers lay them out with
// truncation="longest_first".
#include <algorithm>

#include "engine/data/processor_row.h"

namespace luthier {

namespace {

/// How much two texts of these lengths keep where both together may have `room` tokens: the longer
/// one is cut first, then each alike.
std::pair<std::size_t, std::size_t> cut_longest_first(std::size_t first, std::size_t second,
                                                      std::size_t room) {
  if (first + second <= room) return {first, second};
  std::size_t less = std::min(first, second), more = std::max(first, second);
  more = less > room ? less : std::max(less, room - less);
  if (less + more > room) less = room / 2, more = less + room % 2;
  return first > second ? std::pair{more, less} : std::pair{less, more};
}

Error no_pairs() {
  return input_error("The tokenizer does not say how two texts are read together.", "",
                     "Give rows of one text.");
}

Error no_room(std::size_t added, std::int64_t limit) {
  return input_error("The special tokens alone are " + std::to_string(added) +
                         ", and a row may have " + std::to_string(limit) + ".",
                     "", "Raise training.max_length.");
}

Error at_row(Error error, const std::string& where, RowFault* fault) {
  if (fault) *fault = RowFault::BadRow;
  error.where = error.where.empty() ? where : where + ": " + error.where;
  return error;
}

/// Tokens that the row may have; 0: as many as there are.
std::int64_t smaller_limit(std::int64_t a, std::int64_t b) {
  return a <= 0 ? std::max<std::int64_t>(0, b) : b <= 0 ? a : std::min(a, b);
}

}  // namespace

Result<Example> ChatProcessor::encode_pair(const std::string& first, const std::string& second,
                                           std::int64_t max_length, const std::string& where,
                                           RowFault* fault) const {
  const std::vector<PairPiece> pieces = tokenizer_->pair_pieces();
  if (pieces.empty()) return at_row(no_pairs(), where, fault);
  std::vector<TokenId> texts[2];
  for (int which = 0; which < 2; ++which) {
    auto encoding = tokenizer_->encode(which == 0 ? first : second, /*add_special_tokens=*/false);
    if (!encoding) return at_row(encoding.error(), where, fault);
    texts[which] = std::move(encoding->ids);
  }
  const std::size_t added = pieces.size() - 2, whole = texts[0].size() + texts[1].size() + added;
  const std::int64_t limit = smaller_limit(max_length, longest_row_);
  Example example;
  if (limit > 0 && whole > static_cast<std::size_t>(limit)) {
    if (static_cast<std::size_t>(limit) <= added)
      return at_row(no_room(added, limit), where, fault);
    const auto [kept, other] = cut_longest_first(texts[0].size(), texts[1].size(),
                                                 static_cast<std::size_t>(limit) - added);
    texts[0].resize(kept), texts[1].resize(other);
    example.truncated_tokens = static_cast<std::int64_t>(whole) - limit;
  }
  const auto add = [&](TokenId id, std::int64_t type) {
    example.input_ids.push_back(id);
    example.labels.push_back(tokenizer_->is_special(id) ? kIgnoreLabel : id);
    example.token_types.push_back(type);
  };
  for (const PairPiece& piece : pieces) {
    if (piece.token) {
      add(*piece.token, piece.type);
    } else {
      for (const TokenId id : texts[piece.text]) add(id, piece.type);
    }
  }
  return example;
}

Result<std::size_t> ChatProcessor::pair_room(std::int64_t max_length, const std::string& where,
                                             RowFault* fault) const {
  const std::vector<PairPiece> pieces = tokenizer_->pair_pieces();
  if (pieces.empty()) return at_row(no_pairs(), where, fault);
  const std::int64_t limit = smaller_limit(max_length, longest_row_);
  if (limit <= 0) return std::size_t{0};
  const std::size_t added = pieces.size() - 2;
  if (static_cast<std::size_t>(limit) <= added) return at_row(no_room(added, limit), where, fault);
  return static_cast<std::size_t>(limit) - added;
}

Result<Example> ChatProcessor::encode_words(const std::vector<std::string>& words,
                                            const std::vector<std::int64_t>& labels,
                                            std::int64_t max_length, const std::string& where,
                                            RowFault* fault) const {
  // What stands around a text, whatever it is.
  auto framed = tokenizer_->encode("a", /*add_special_tokens=*/true);
  if (!framed) return at_row(framed.error(), where, fault);
  std::vector<TokenId> before, behind;
  bool passed = false;
  for (std::size_t i = 0; i < framed->ids.size(); ++i) {
    const bool own = framed->offsets[i].first < framed->offsets[i].second;
    passed = passed || own;
    if (!own) (passed ? behind : before).push_back(framed->ids[i]);
  }
  Example example;
  example.input_ids = before;
  example.labels.assign(before.size(), kIgnoreLabel);
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto encoding = tokenizer_->encode(words[i], /*add_special_tokens=*/false);
    if (!encoding)
      return at_row(encoding.error(), where + ": words[" + std::to_string(i) + "]", fault);
    for (std::size_t at = 0; at < encoding->ids.size(); ++at) {
      example.input_ids.push_back(encoding->ids[at]);
      example.labels.push_back(at == 0 ? labels[i] : kIgnoreLabel);
    }
  }
  const std::size_t added = before.size() + behind.size();
  const std::int64_t limit = smaller_limit(max_length, longest_row_);
  const std::size_t whole = example.input_ids.size() + behind.size();
  if (limit > 0 && whole > static_cast<std::size_t>(limit)) {
    if (static_cast<std::size_t>(limit) <= added)
      return at_row(no_room(added, limit), where, fault);
    example.input_ids.resize(static_cast<std::size_t>(limit) - behind.size());
    example.labels.resize(example.input_ids.size());
    example.truncated_tokens = static_cast<std::int64_t>(whole) - limit;
  }
  example.input_ids.insert(example.input_ids.end(), behind.begin(), behind.end());
  example.labels.resize(example.input_ids.size(), kIgnoreLabel);
  return example;
}

Result<Example> ChatProcessor::encode_picture(const Conversation& conversation,
                                              const std::string& where, RowFault* fault,
                                              const SizeOf* outline) const {
  const Row row{conversation.messages, where, fault, false, {}, {}, nullptr};
  if (image_tokens_.form != RowForm::PictureAlone)
    return row.error(RowFault::BadRow, "The model reads texts, and the row is a picture alone.",
                     "Write prompt and completion beside it, or name the columns that hold them "
                     "(dataset_columns, dataset_prompt).");
  Example example;
  LUTHIER_TRY(example.images, load_pictures(row, outline));
  if (example.images.size() != 1)
    return row.error(RowFault::BadRow,
                     "The row has " + std::to_string(example.images.size()) +
                         " pictures, and the model looks at one.",
                     "Write a row for each.");
  example.input_ids = {kPictureRow};
  example.labels = {kIgnoreLabel};
  return example;
}

}  // namespace luthier
