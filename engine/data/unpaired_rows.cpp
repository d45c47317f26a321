// SPDX-License-Identifier: GPL-3.0-or-later
// Rows with one answer and whether it is good: `label`, or LLaMA-Factory's `kto_tag`. The answer
// stands under `completion`, or it is the last turn of the row however that is written. Prompt and
// answer are tokenized apart, as those of preference rows are.
#include <algorithm>

#include "engine/data/row_kind.h"

namespace luthier {

namespace {

class UnpairedRows : public RowKind {
 public:
  const char* name() const override { return "unpaired"; }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    if (!row.is_object()) return read_conversation(row, base, where, fault);
    const auto refused = [&](const char* field, const char* what, const char* hint = "",
                             RowFault kind = RowFault::BadRow) {
      if (fault) *fault = kind;
      return input_error(what, where + ": " + field, hint);
    };
    for (const char* key : {"chosen", "rejected", "rejected_response", "rejected_messages"})
      if (given(row, key))
        return refused(key, "The row has two answers, and the objective learns from one at a time.",
                       "Write each answer as a row with its label, or choose an objective that "
                       "compares answers, such as dpo.");
    const char* tag = given(row, "label") ? "label" : given(row, "kto_tag") ? "kto_tag" : nullptr;
    if (!tag)
      return refused("label", "The row does not say whether its answer is good.",
                     "Write true for a good answer, false for a bad one.");
    if (!row[tag].is_boolean()) return refused(tag, "The label must be true or false.");
    LUTHIER_TRY(Conversation made, read_conversation(row, base, where, fault));
    const bool turns = given(row, "messages") || given(row, "conversations");
    const bool listed = !turns && given(row, "completion") && row["completion"].is_array();
    const char* field = listed || !turns         ? "completion"
                        : given(row, "messages") ? "messages"
                                                 : "conversations";
    const std::size_t said = listed ? row["completion"].size() : 1;
    if (made.messages.empty() || made.messages.back().role != "assistant")
      return refused(field, "The row does not end in an answer of the assistant.");
    if (made.messages.size() <= said)
      return refused(turns ? field : "prompt", "The row has an answer but no prompt.");
    const auto answer = made.messages.end() - static_cast<std::ptrdiff_t>(said);
    const auto shows = [](const Message& message) {
      return std::any_of(
          message.content.begin(), message.content.end(),
          [](const ContentPart& part) { return part.kind != ContentPart::Kind::Text; });
    };
    if (std::any_of(answer, made.messages.end(), shows))
      return refused(field, "The answer of a labelled row cannot hold pictures.", "",
                     RowFault::ImageMarks);
    made.answer.emplace(std::make_move_iterator(answer),
                        std::make_move_iterator(made.messages.end()));
    made.messages.erase(answer, made.messages.end());
    made.numbers["label"] = row[tag].get<bool>() ? 1 : 0;
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    if (!row.answer) {
      if (fault) *fault = RowFault::BadRow;
      return input_error("The row does not say whether its answer is good.", where + ": label",
                         "Write true for a good answer, false for a bad one.");
    }
    EncodedRow encoded;
    encoded.numbers = row.numbers;
    LUTHIER_TRY(encoded.sequences,
                processor.encode_answers(row, {*row.answer}, how.max_length, where, fault,
                                         how.outline ? &how.size_of : nullptr));
    if (encoded.sequences.front().truncated_tokens == 0) return encoded;
    const ChatProcessor::SizeOf from_headers;
    LUTHIER_TRY(const std::vector<Example> uncut,
                processor.encode_answers(row, {*row.answer}, /*max_length=*/0, where, fault,
                                         how.outline ? &how.size_of : &from_headers));
    const std::vector<std::int64_t>& labels = uncut.front().labels;
    std::copy_if(labels.begin(), labels.end(), std::back_inserter(encoded.whole_answer),
                 [](std::int64_t label) { return label != kIgnoreLabel; });
    return encoded;
  }

 private:
  static bool given(const Json& row, const char* key) {
    return row.contains(key) && !row[key].is_null();
  }
};

}  // namespace

const RowKind& unpaired_rows() {
  static const UnpairedRows kind;
  return kind;
}

}  // namespace luthier
