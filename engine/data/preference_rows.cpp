// SPDX-License-Identifier: GPL-3.0-or-later
// Rows with two answers to one prompt. Both sequences begin with the same tokens, since prompt and
// answer are tokenized apart, and both show the same pictures.
#include <algorithm>

#include "engine/data/row_kind.h"

namespace luthier {

namespace {

bool has(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

/// ms-swift's way: the messages end in the chosen answer, the other one stands beside them. Null
/// where the row is written otherwise.
Json with_both_answers(const Json& row) {
  const char* key = has(row, "rejected_response")   ? "rejected_response"
                    : has(row, "rejected_messages") ? "rejected_messages"
                                                    : nullptr;
  if (!key || has(row, "chosen") || has(row, "rejected") || !has(row, "messages")) return nullptr;
  const Json& messages = row["messages"];
  if (!messages.is_array() || messages.empty()) return nullptr;
  Json written = row;
  written.erase(key);
  if (std::string_view(key) == "rejected_messages") {
    written.erase("messages");
    written["chosen"] = messages;
    written["rejected"] = row[key];
    return written;
  }
  written["chosen"] = Json::array({messages.back()});
  written["messages"].erase(messages.size() - 1);
  written["rejected"] = row[key];
  return written;
}

Error lacks(const std::string& where, const char* field, RowFault* fault) {
  if (fault) *fault = RowFault::BadRow;
  return input_error("A preference row needs both chosen and rejected.", where + ": " + field);
}

class PreferenceRows : public RowKind {
 public:
  const char* name() const override { return "preference"; }
  SequenceOrder order() const override { return SequenceOrder::AnswerByAnswer; }
  bool recognises(const Json& row) const override {
    for (const char* key : {"chosen", "rejected", "rejected_response", "rejected_messages"})
      if (has(row, key)) return true;
    return false;
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    if (!row.is_object()) return read_conversation(row, base, where, fault);
    const Json written = with_both_answers(row);
    const Json& both = written.is_null() ? row : written;
    if (!has(both, "chosen") && !has(both, "rejected")) return lacks(where, "chosen", fault);
    LUTHIER_TRY(Conversation conversation, read_conversation(both, base, where, fault));
    if (has(row, "margin")) {
      if (!row["margin"].is_number()) {
        if (fault) *fault = RowFault::BadRow;
        return input_error("The margin must be a number.", where + ": margin");
      }
      conversation.numbers["margin"] = row["margin"].get<double>();
    }
    return conversation;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    if (!row.chosen) return lacks(where, "chosen", fault);
    if (!row.rejected) return lacks(where, "rejected", fault);
    EncodedRow encoded;
    encoded.shares_pictures = true;
    encoded.numbers = row.numbers;
    LUTHIER_TRY(encoded.sequences,
                processor.encode_answers(row, {*row.chosen, *row.rejected}, how.max_length, where,
                                         fault, how.outline ? &how.size_of : nullptr));
    return encoded;
  }
};

/// Where prompt and answer are one text, the prompt's text (its pictures' tokens are none) is
/// labelled in the chosen answer's sequence too.
class WholePreferenceRows : public PreferenceRows {
 public:
  const char* name() const override { return "preference_whole"; }
  bool recognises(const Json&) const override { return false; }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    LUTHIER_TRY(EncodedRow encoded, PreferenceRows::encode(row, processor, how, where, fault));
    if (processor.row_form() != RowForm::ChatTemplate) return encoded;
    Example& chosen = encoded.sequences.front();
    const auto answer = static_cast<std::size_t>(
        std::find_if(chosen.labels.begin(), chosen.labels.end(),
                     [](std::int64_t label) { return label != kIgnoreLabel; }) -
        chosen.labels.begin());
    if (answer == chosen.labels.size()) return encoded;  // cut away: such a row is refused
    for (std::size_t at = 1; at < answer; ++at) {
      if (processor.shows(chosen.input_ids[at])) continue;
      chosen.labels[at] = chosen.input_ids[at];
      ++encoded.prompt_labels;
    }
    return encoded;
  }
};

}  // namespace

const RowKind& preference_rows() {
  static const PreferenceRows kind;
  return kind;
}

const RowKind& whole_preference_rows() {
  static const WholePreferenceRows kind;
  return kind;
}

}  // namespace luthier
