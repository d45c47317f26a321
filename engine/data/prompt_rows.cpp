// SPDX-License-Identifier: GPL-3.0-or-later
// Rows with a prompt that the model answers while it is trained. What else stands in the row is
// what answers are judged by. An answer that is there all the same is passed over, as ms-swift
// does.
#include "engine/data/prompt_rows.h"

#include <algorithm>

#include "engine/data/boxes/box_rows.h"

namespace luthier {

namespace detail {

namespace {

bool has_any(const Json& row, std::initializer_list<const char*> keys) {
  return std::any_of(keys.begin(), keys.end(),
                     [&row](const char* key) { return row.contains(key) && !row[key].is_null(); });
}

/// With one answer, whatever the row has: read_conversation asks for one.
Json with_some_answer(const Json& row) {
  Json written = row;
  for (const char* key : {"chosen", "rejected", "rejected_response", "rejected_messages",
                          "completion", "output", "response", "answer"})
    written.erase(key);
  const char* answer = has_any(row, {"prompt"})                 ? "completion"
                       : has_any(row, {"instruction", "input"}) ? "output"
                       : has_any(row, {"query"})                ? "response"
                       : has_any(row, {"question"})             ? "answer"
                                                                : nullptr;
  if (answer && !has_any(row, {"messages", "conversations"})) written[answer] = ".";
  return written;
}

}  // namespace

Result<Conversation> read_prompt(const Json& row, const std::filesystem::path& base,
                                 const std::string& where, RowFault* fault) {
  if (!row.is_object()) return read_conversation(row, base, where, fault);
  if (is_box_row(row)) {
    LUTHIER_TRY(Conversation asked, read_box_row(row, base, where, fault));
    asked.messages.pop_back();
    return asked;
  }
  if (!has_any(row, {"messages", "conversations", "prompt", "instruction", "input", "query",
                     "question"})) {
    if (fault) *fault = RowFault::BadRow;
    return input_error("The row has no prompt.", where + ": prompt",
                       "It needs prompt, messages, or instruction.");
  }
  LUTHIER_TRY(Conversation asked, read_conversation(with_some_answer(row), base, where, fault));
  while (!asked.messages.empty() && asked.messages.back().role == "assistant")
    asked.messages.pop_back();
  if (!asked.messages.empty()) return asked;
  if (fault) *fault = RowFault::BadRow;
  return input_error("The row has an answer but no prompt.", where + ": prompt");
}

Result<Example> encode_prompt(const Conversation& row, const ChatProcessor& processor,
                              const RowEncoding& how, const std::string& where, RowFault* fault) {
  Conversation answered = row;
  answered.answer.reset();
  answered.messages.push_back({"assistant", {ContentPart::of_text("x")}});
  if (how.outline)
    return processor.measure_training(answered, LossOn::Completion, how.max_length, where, fault,
                                      how.size_of);
  auto example = processor.encode_prompt(row, where);
  if (!example) {
    // Says which kind of fault it is.
    const auto again =
        processor.encode_training(answered, LossOn::Completion, /*max_length=*/0, where, fault);
    return example.error();
  }
  example->labels.assign(example->input_ids.size(), kIgnoreLabel);
  const auto length = static_cast<std::int64_t>(example->input_ids.size());
  if (how.max_length <= 0 || length <= how.max_length) return example;
  if (fault) *fault = RowFault::BadRow;
  return input_error("The prompt has " + std::to_string(length) +
                         " tokens, training.max_length is " + std::to_string(how.max_length) + ".",
                     where, "Raise training.max_length, or take the row out.");
}

}  // namespace detail

namespace {

class PromptRows : public RowKind {
 public:
  const char* name() const override { return "prompts"; }
  bool carries_written() const override { return true; }
  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    return detail::read_prompt(row, base, where, fault);
  }
  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    EncodedRow encoded;
    encoded.shares_pictures = true;
    LUTHIER_TRY(Example prompt, detail::encode_prompt(row, processor, how, where, fault));
    encoded.sequences.push_back(std::move(prompt));
    return encoded;
  }
};

}  // namespace

const RowKind& prompt_rows() {
  static const PromptRows kind;
  return kind;
}

}  // namespace luthier
