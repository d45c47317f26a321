// SPDX-License-Identifier: GPL-3.0-or-later
// A document's sentences are parted into chunks that fill a row, as BERT's and ALBERT's data were
// made: sentences follow one another until a chunk has enough tokens, for a row in ten a smaller
// number that is drawn. Of one chunk the first few sentences, drawn, are the first text and the
// others the second. Where there are too many tokens, the longer text loses them at random ends.
// Drawn anew in each epoch; who measures rows gets the first chunk, half and half.
#include "engine/data/sentence_pair_rows.h"

#include <algorithm>

#include "engine/base/random_stream.h"
#include "engine/data/sentences.h"
#include "engine/data/text_pairs.h"

namespace luthier {

namespace {

constexpr double kShortRows = 0.1;

constexpr const char* kPairRowForms =
    "Rows are {\"text\": \"…\"} or {\"sentences\": [\"…\"]}, a document of two sentences at least, "
    "or {\"text\": \"…\", \"text_pair\": \"…\", \"label\": 0}.";

using Sentences = std::vector<std::vector<TokenId>>;

/// Sentences from `begin` to before `end`.
struct Chunk {
  std::size_t begin = 0, end = 0;
};

/// One after another, each of so many tokens at least where there are, and of two sentences.
std::vector<Chunk> chunks_of(const Sentences& sentences, std::size_t target) {
  std::vector<Chunk> chunks;
  Chunk chunk;
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    tokens += sentences[i].size();
    chunk.end = i + 1;
    const bool last = chunk.end == sentences.size();
    if (!last && (tokens < target || chunk.end - chunk.begin < 2)) continue;
    // A rest of one sentence begins with the one before.
    if (chunk.end - chunk.begin < 2) --chunk.begin;
    chunks.push_back(chunk);
    chunk.begin = chunk.end;
    tokens = 0;
  }
  return chunks;
}

TextPair parted(const Sentences& sentences, const Chunk& chunk, std::size_t first) {
  TextPair pair;
  for (std::size_t i = chunk.begin; i < chunk.end; ++i) {
    std::vector<TokenId>& text = i < chunk.begin + first ? pair.first : pair.second;
    text.insert(text.end(), sentences[i].begin(), sentences[i].end());
  }
  return pair;
}

TextPair drawn_pair(const Sentences& sentences, std::size_t room, bool measured,
                    RandomStream& draws) {
  std::size_t target = room;
  if (target == 0)
    for (const auto& sentence : sentences) target += sentence.size();
  if (!measured) {
    const bool is_short = draws.chance(kShortRows);
    const auto shorter = static_cast<std::size_t>(
        draws.between(2, static_cast<int>(std::max<std::size_t>(2, target))));
    if (is_short) target = shorter;
  }
  const std::vector<Chunk> chunks = chunks_of(sentences, target);
  const Chunk chunk =
      chunks[measured ? 0 : static_cast<std::size_t>(draws.below(static_cast<int>(chunks.size())))];
  const std::size_t count = chunk.end - chunk.begin;
  const std::size_t first =
      measured ? count / 2 : 1 + static_cast<std::size_t>(draws.below(static_cast<int>(count) - 1));
  TextPair pair = parted(sentences, chunk, first);
  cut_longer_text(pair, room, draws);
  return pair;
}

class SentencePairRows : public RowKind {
 public:
  const char* name() const override { return "sentence_pairs"; }
  bool varies() const override { return true; }
  bool recognises(const Json& row) const override {
    return row.contains("sentences") && row["sentences"].is_array() && !row.contains("messages");
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path&, const std::string& where,
                            RowFault* fault) const override {
    const auto refused = [&](const char* what, const std::string& field) {
      if (fault) *fault = RowFault::BadRow;
      return input_error(what, where + ": " + field, kPairRowForms);
    };
    if (!row.is_object()) return refused("The row is no object.", "row");
    const auto text_of = [&](const char* key) {
      return row.contains(key) && row[key].is_string()
                 ? std::optional<std::string>(row[key].get<std::string>())
                 : std::nullopt;
    };
    Conversation made;
    if (row.contains("sentences") && !row["sentences"].is_null()) {
      if (!row["sentences"].is_array())
        return refused("The sentences must be a list.", "sentences");
      Message document{"document", {}};
      for (std::size_t i = 0; i < row["sentences"].size(); ++i) {
        if (!row["sentences"][i].is_string())
          return refused("A sentence must be a text.", "sentences[" + std::to_string(i) + "]");
        document.content.push_back(ContentPart::of_text(row["sentences"][i].get<std::string>()));
      }
      made.messages.push_back(std::move(document));
      return made;
    }
    const auto first = text_of("text");
    if (!first) return refused("The row has no text.", "text");
    if (!row.contains("text_pair") || row["text_pair"].is_null()) {
      Message document{"document", {}};
      for (std::string& sentence : sentences_of(*first))
        document.content.push_back(ContentPart::of_text(std::move(sentence)));
      made.messages.push_back(std::move(document));
      return made;
    }
    const auto second = text_of("text_pair");
    if (!second) return refused("The row has no second text.", "text_pair");
    const Json label = row.value("label", Json());
    const bool known =
        label.is_boolean() || (label.is_number_integer() &&
                               (label.get<std::int64_t>() == 0 || label.get<std::int64_t>() == 1));
    if (!known)
      return refused(
          "The row does not say whether its second text follows (0), or not or before the first "
          "(1).",
          "label");
    made.messages = {{"text", {ContentPart::of_text(*first)}},
                     {"text", {ContentPart::of_text(*second)}}};
    made.numbers["label"] = label.is_boolean() ? label.get<bool>() : label.get<double>();
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    EncodedRow encoded;
    if (const auto label = row.numbers.find("label"); label != row.numbers.end()) {
      LUTHIER_TRY(Example example, processor.encode_pair(row.messages.at(0).content.at(0).text,
                                                         row.messages.at(1).content.at(0).text,
                                                         how.max_length, where, fault));
      encoded.sequences.push_back(std::move(example));
      encoded.targets = {label->second};
      return encoded;
    }
    const auto refused = [&](Error error) {
      if (fault) *fault = RowFault::BadRow;
      error.where = error.where.empty() ? where : where + ": " + error.where;
      return error;
    };
    const Tokenizer& tokenizer = processor.tokenizer();
    Sentences sentences;
    for (const ContentPart& part : row.messages.at(0).content) {
      auto made = tokenizer.encode(part.text, /*add_special_tokens=*/false);
      if (!made) return refused(made.error());
      if (!made->ids.empty()) sentences.push_back(std::move(made->ids));
    }
    if (sentences.size() < 2)
      return refused(input_error("The document has " + std::to_string(sentences.size()) +
                                     " sentences, and a pair is drawn of two at least.",
                                 "text", kPairRowForms));
    LUTHIER_TRY(const std::size_t room, processor.pair_room(how.max_length, where, fault));
    if (room == 1)
      return refused(
          input_error("A row has room for one token beside the special ones, and two "
                      "texts take more.",
                      "", "Raise training.max_length."));
    RandomStream draws(how.noise, 0);
    const bool measured = how.outline || how.noise == 0;
    const TextPair pair = drawn_pair(sentences, room, measured, draws);
    encoded.sequences.push_back(laid_out_pair(tokenizer, pair));
    encoded.numbers[kFirstText] = static_cast<double>(pair.first.size());
    encoded.numbers[kPairRoom] = static_cast<double>(room);
    return encoded;
  }
};

}  // namespace

const RowKind& sentence_pair_rows() {
  static const SentencePairRows kind;
  return kind;
}

}  // namespace luthier
