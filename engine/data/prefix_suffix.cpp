// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of models that were never taught a conversation: pictures, a question, an answer, as
// PaliGemmaProcessor joins `text` and `suffix`. The two are tokenized apart, so that no token
// reaches over the border between what is given and what is to be learnt.
//
// Where a family says what is asked (ImageTokens::ask), picture and question are tokenized apart, as
// FuyuProcessor does; where it says more of it (AskedQuestion), the answer is no suffix of its own
// but goes on where the question ends (BLIP-2): behind a space, unless nothing or a space stands
// there, and up to the token that ends the model's answers.
#include <cctype>

#include "engine/data/asked_question.h"
#include "engine/data/processor_row.h"

namespace luthier {

namespace {

constexpr const char* kExpected =
    "This model takes one user message with pictures and a question, and one assistant message "
    "with its answer.";

/// Of an answer that goes on where the question ends. A tokenizer that begins every text with a
/// space of its own writes it itself.
Result<std::string> space_before(const Tokenizer& tokenizer, const std::string& asked) {
  if (asked.empty() || std::isspace(static_cast<unsigned char>(asked.back())) != 0)
    return std::string();
  LUTHIER_TRY(const Encoding word, tokenizer.encode("a", /*add_special_tokens=*/false));
  const std::string first = word.pieces.empty() ? std::string() : word.pieces.front();
  return std::string(first.starts_with("\u2581") || first.starts_with("\u0120") ? "" : " ");
}

}  // namespace

std::string joined_text(const Message& message) {
  std::string text;
  for (const ContentPart& part : message.content)
    if (part.kind == ContentPart::Kind::Text) text += part.text;
  return text;
}

const char* one_turn_refusal(const std::vector<Message>& messages) {
  for (const Message& message : messages)
    if (message.role == "system")
      return "The row has a system message, for which this model has no place.";
  if (messages.empty() || messages[0].role != "user")
    return "The row does not begin with a user message.";
  if (messages.size() > 2 || (messages.size() == 2 && messages[1].role != "assistant"))
    return "The row has several turns, the model knows one.";
  for (std::size_t i = 1; i < messages.size(); ++i)
    for (const ContentPart& part : messages[i].content)
      if (part.kind != ContentPart::Kind::Text) return "The answer holds a picture.";
  return nullptr;
}

Result<Example> ChatProcessor::encode_prefix_suffix(const Row& row) const {
  if (uses_tools(row.messages) || (row.tools && !row.tools->is_null()))
    return row.error(RowFault::UnsupportedTools,
                     "The row has tools, for which this model has no place.", kExpected);
  if (const char* reason = one_turn_refusal(row.messages))
    return row.error(RowFault::BadRow, reason, kExpected);
  if (row.replacements.empty())
    return row.error(
        RowFault::BadRow,
        "The row has no picture, and this model answers questions about pictures only.", kExpected);
  const SpecialTokens& special = tokenizer_->special();
  if (special.eos_text.empty() || (special.bos_text.empty() && !image_tokens_.ask))
    return row.error(RowFault::Template, "The tokenizer names no bos_token or no eos_token.",
                     "Both stand in the model's tokenizer_config.json.");

  std::string prefix;
  for (const auto& replacement : row.replacements) {
    prefix += replacement.text;
    if (prefix.size() > kMaxExpandedBytes)
      return row.error(RowFault::BadRow,
                       "The row's pictures take more text than memory should hold.");
  }
  std::string own = joined_text(row.messages[0]) + "\n";
  std::optional<AskedQuestion> asked;  // goes on in the answer
  if (image_tokens_.ask) {
    Result<std::string> made = image_tokens_.ask(joined_text(row.messages[0]));
    if (!made) return row.about(RowFault::BadRow, made.error());
    auto more = read_asked(*made);
    if (more) asked = more.take();
    own = made.take();
  } else {
    prefix += special.bos_text + own;
  }
  Example example;
  LUTHIER_TRY(Encoding encoding, encode_text(row, prefix));
  example.input_ids = std::move(encoding.ids);
  if (asked) {
    // Tokenized as a text of its own, with the tokenizer's own beginning.
    auto question = tokenizer_->encode(asked->text, /*add_special_tokens=*/true);
    if (!question) return row.about(RowFault::BadRow, question.error());
    example.input_ids.insert(example.input_ids.end(), question->ids.begin(), question->ids.end());
    example.source_ids = asked->beside;
  } else if (image_tokens_.ask) {
    if (row.replacements.size() != 1)
      return row.error(RowFault::BadRow,
                       "The row has " + std::to_string(row.replacements.size()) +
                           " pictures, and this model's question is about one.",
                       kExpected);
    // The space that the tokenizer puts before a text is none of the picture's.
    if (!example.input_ids.empty() && example.input_ids.front() != image_token_id_)
      example.input_ids.erase(example.input_ids.begin());
    LUTHIER_TRY(const Encoding question, encode_text(row, own));
    example.input_ids.insert(example.input_ids.end(), question.ids.begin(), question.ids.end());
  }
  example.prompt_tokens = static_cast<std::int64_t>(example.input_ids.size());
  if (row.prompt_only) return example;
  example.labels.assign(example.input_ids.size(), kIgnoreLabel);
  if (row.messages.size() == 2) {
    std::string answer = joined_text(row.messages[1]);
    if (asked) {
      LUTHIER_TRY(const std::string space, space_before(*tokenizer_, asked->text));
      answer = space + answer;
    }
    const bool own_end = asked && asked->end >= 0;
    LUTHIER_TRY(Encoding suffix, encode_text(row, own_end ? answer : answer + special.eos_text));
    if (own_end) suffix.ids.push_back(asked->end);
    example.input_ids.insert(example.input_ids.end(), suffix.ids.begin(), suffix.ids.end());
    example.labels.insert(example.labels.end(), suffix.ids.begin(), suffix.ids.end());
  }
  return example;
}

}  // namespace luthier
