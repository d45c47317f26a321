// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/region_rows.h"

#include <algorithm>
#include <optional>

#include "engine/data/answer_scores.h"
#include "engine/data/region_file.h"

namespace luthier {

namespace {

constexpr const char* kRegionRowForm =
    "Rows are {\"text\": \"…\", \"regions\": \"….safetensors\"}, with \"text_pair\", \"match\" "
    "(true or false) and \"answer\" (a name, a number, or scores by names) where there are any.";

bool is_said(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

class RegionRows : public RowKind {
 public:
  const char* name() const override { return "regions"; }
  bool recognises(const Json& row) const override { return holds_regions(row); }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    const auto refused = [&](const char* what, const char* field) {
      if (fault) *fault = RowFault::BadRow;
      return input_error(what, where + ": " + field, kRegionRowForm);
    };
    if (!row.is_object()) return refused("The row is no object.", "row");
    if (!row.is_object() || !is_said(row, "regions"))
      return refused("The row has no regions.", "regions");
    if (!row["regions"].is_string() || row["regions"].get<std::string>().empty())
      return refused("The regions are named by their file.", "regions");
    const std::filesystem::path file = row["regions"].get<std::string>();
    Json extra = {{"regions", (file.is_absolute() ? file : base / file).string()}};
    if (is_said(row, "match")) {
      const bool known = row["match"].is_boolean() || row["match"] == 0 || row["match"] == 1;
      if (!known)
        return refused("Whether text and regions belong together is true or false.", kMatch);
      extra[kMatch] = row["match"].is_boolean() ? row["match"].get<bool>() : row["match"] == 1;
    }
    for (const char* key : {"answer", "label"}) {
      if (!is_said(row, key) || extra.contains(kAnswer)) continue;
      extra[kAnswer] = row[key], extra["field"] = key;
    }
    Conversation made;
    for (const char* key : {"text", "text_pair"}) {
      if (!is_said(row, key) && std::string_view(key) == "text_pair") continue;
      if (!is_said(row, key) || !row[key].is_string()) return refused("The row has no text.", key);
      made.messages.push_back(
          {"text", {ContentPart::of_text(row[key].get<std::string>())}, nullptr});
    }
    made.messages.front().extra = std::move(extra);
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    const auto refused = [&](const Error& error) {
      if (fault) *fault = RowFault::BadRow;
      return error;
    };
    const RegionNeeds* needs = region_needs(processor);
    if (!needs)
      return refused(input_error("The model reads no regions.", where,
                                 "Choose a model such as visual_bert or lxmert."));
    if (!holds_regions(row))
      return refused(input_error("The row has no regions.", where + ": regions", kRegionRowForm));
    const std::string& text = row.messages.front().content.at(0).text;
    const Json& extra = row.messages.front().extra;
    EncodedRow encoded;
    Example example;
    if (row.messages.size() > 1) {
      LUTHIER_TRY(example, processor.encode_pair(text, row.messages[1].content.at(0).text,
                                                 how.max_length, where, fault));
      const auto first = words_of_first(processor, example);
      if (!first)
        return refused(input_error("The tokenizer does not tell two texts apart by their types.",
                                   where + ": text_pair", "Give rows of one text."));
      encoded.numbers[kFirstWords] = static_cast<double>(*first);
    } else {
      LUTHIER_TRY(example, processor.encode_plain(text, how.max_length, where, fault));
    }
    // Who checks data asks for all numbers, and who measures it for a file's header.
    const bool header = how.outline && !how.size_of;
    LUTHIER_TRY(PixelValues regions, read_region_file(extra["regions"].get<std::string>(), *needs,
                                                      header, where + ": regions", fault));
    if (how.outline) regions.values.clear();
    const auto tokens = static_cast<std::int64_t>(example.input_ids.size());
    if (tokens == 0)
      return refused(input_error("The row's text comes to no token.", where + ": text",
                                 "Give it words, or take the row out."));
    for (std::size_t i = 2; i < regions.grid.size(); ++i)
      if (regions.grid[i] >= tokens)
        return refused(input_error("A region is aligned to token " +
                                       std::to_string(regions.grid[i]) + " of a text of " +
                                       std::to_string(tokens) + ".",
                                   where + ": regions: alignment", "Places count from 0."));
    example.images.push_back(std::move(regions));
    if (extra.contains(kMatch)) encoded.numbers[kMatch] = extra[kMatch].get<bool>() ? 1 : 0;
    if (extra.contains(kAnswer)) {
      const std::string place = where + ": " + extra["field"].get<std::string>();
      auto read = read_answer(extra[kAnswer], processor, *needs, place, encoded);
      if (!read) return refused(read.error());
    }
    if (processor.classes()) {
      // Of the row and none of its tokens, so that it stands where no shift finds it.
      std::fill(example.labels.begin(), example.labels.end(), kIgnoreLabel);
      if (!encoded.targets.empty()) example.labels.front() = 0;
    }
    encoded.sequences.push_back(std::move(example));
    return encoded;
  }

 private:
  /// Tokens of the first of two texts, told by their types; none: both are of one.
  static std::optional<std::int64_t> words_of_first(const ChatProcessor& processor,
                                                    const Example& example) {
    std::int64_t of_texts[2] = {0, 0}, special = 0;
    for (const PairPiece& piece : processor.tokenizer().pair_pieces())
      if (!piece.token) of_texts[piece.text] = piece.type;
    if (of_texts[0] == of_texts[1]) return std::nullopt;
    for (const PairPiece& piece : processor.tokenizer().pair_pieces())
      special += piece.token && piece.type == of_texts[0];
    return std::count(example.token_types.begin(), example.token_types.end(), of_texts[0]) -
           special;
  }

  /// Into `row`: a number of a head of pretraining, or the targets of a head of answers.
  static Status read_answer(const Json& answer, const ChatProcessor& processor,
                            const RegionNeeds& needs, const std::string& where, EncodedRow& row) {
    const ClassOptions* classes = processor.classes();
    if (!classes) {
      if (needs.answers == 0) return {};  // the model does not ask
      const bool known = answer.is_number_integer() && answer.get<std::int64_t>() >= 0 &&
                         answer.get<std::int64_t>() < needs.answers;
      if (!known)
        return input_error("The answer is none of the model's: a number from 0 to " +
                               std::to_string(needs.answers - 1) + ".",
                           where);
      row.numbers[kAnswer] = answer.get<double>();
      return {};
    }
    if (answer.is_object()) {
      LUTHIER_TRY(row.targets, read_scores(*classes, answer, where));
      return {};
    }
    LUTHIER_TRY(const std::int64_t number, class_of_label(*classes, answer, where));
    row.targets = {static_cast<double>(number)};
    return {};
  }
};

}  // namespace

const RowKind& region_rows() {
  static const RegionRows kind;
  return kind;
}

/// Other rows may have regions of their own kind: a list, or a place's name.
bool holds_regions(const Json& row) {
  return row.is_object() && row.contains("regions") && row["regions"].is_string() &&
         row["regions"].get_ref<const std::string&>().ends_with(".safetensors");
}

bool holds_regions(const Conversation& row) {
  return !row.messages.empty() && row.messages.front().extra.is_object() &&
         row.messages.front().extra.contains("regions");
}

const RegionNeeds* region_needs(const ChatProcessor& processor) {
  const auto* regions = dynamic_cast<const RegionProcessor*>(processor.image_processor());
  return regions ? &regions->needs() : nullptr;
}

}  // namespace luthier
