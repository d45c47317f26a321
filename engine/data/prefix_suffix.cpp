// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of models that were never taught a conversation: pictures, a question, an answer, as
// PaliGemmaProcessor joins `text` and `suffix`. The two are tokenized apart, so that no token
// reaches over the border between what is given and what is to be learnt. Where the family writes a
// question its own way (ImageTokens::ask), picture and question are tokenized apart, too, as
// FuyuProcessor does.
#include "engine/data/processor_row.h"

namespace luthier {

namespace {

constexpr const char* kExpected =
    "This model takes one user message with pictures and a question, and one assistant message "
    "with its answer.";

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
  Example example;
  if (image_tokens_.ask) {
    if (row.replacements.size() != 1)
      return row.error(RowFault::BadRow,
                       "The row has " + std::to_string(row.replacements.size()) +
                           " pictures, and this model's question is about one.",
                       kExpected);
    const Result<std::string> question = image_tokens_.ask(joined_text(row.messages[0]));
    if (!question) return row.about(RowFault::BadRow, question.error());
    LUTHIER_TRY(Encoding picture, encode_text(row, prefix));
    // The space that the tokenizer puts before a text is none of the picture's.
    if (!picture.ids.empty() && picture.ids.front() != image_token_id_)
      picture.ids.erase(picture.ids.begin());
    example.input_ids = std::move(picture.ids);
    LUTHIER_TRY(const Encoding asked, encode_text(row, *question));
    example.input_ids.insert(example.input_ids.end(), asked.ids.begin(), asked.ids.end());
  } else {
    prefix += special.bos_text + joined_text(row.messages[0]) + "\n";
    LUTHIER_TRY(Encoding encoding, encode_text(row, prefix));
    example.input_ids = std::move(encoding.ids);
  }
  example.prompt_tokens = static_cast<std::int64_t>(example.input_ids.size());
  if (row.prompt_only) return example;
  example.labels.assign(example.input_ids.size(), kIgnoreLabel);
  if (row.messages.size() == 2) {
    LUTHIER_TRY(const Encoding suffix,
                encode_text(row, joined_text(row.messages[1]) + special.eos_text));
    example.input_ids.insert(example.input_ids.end(), suffix.ids.begin(), suffix.ids.end());
    example.labels.insert(example.labels.end(), suffix.ids.begin(), suffix.ids.end());
  }
  return example;
}

}  // namespace luthier
