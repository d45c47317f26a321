// SPDX-License-Identifier: GPL-3.0-or-later
// A text without a conversation around it, as a tokenizer of transformers lays it out with
// truncation: what its post-processor puts before and behind stays, the text in between is cut. And
// a text that an encoder reads.
#include <algorithm>

#include "engine/data/answer_start.h"
#include "engine/data/processor_row.h"

namespace luthier {

Result<Example> ChatProcessor::encode_plain(const std::string& text, std::int64_t max_length,
                                            const std::string& where, RowFault* fault) const {
  const auto refuse = [&](Error error) {
    if (fault) *fault = RowFault::BadRow;
    error.where = error.where.empty() ? where : where + ": " + error.where;
    return error;
  };
  auto encoding = tokenizer_->encode(text, /*add_special_tokens=*/true);
  if (!encoding) return refuse(encoding.error());
  const auto own = [&](std::size_t i) {
    return encoding->offsets[i].first < encoding->offsets[i].second;
  };
  std::vector<TokenId>& ids = encoding->ids;
  std::size_t first = 0, last = ids.size();  // of the text's own tokens
  while (first < last && !own(first)) ++first;
  while (last > first && !own(last - 1)) --last;
  const auto added = static_cast<std::int64_t>(ids.size() - (last - first));
  std::int64_t limit = max_length > 0 ? max_length : static_cast<std::int64_t>(ids.size());
  if (longest_row_ > 0) limit = std::min(limit, longest_row_);
  if (limit <= added && limit < static_cast<std::int64_t>(ids.size())) {
    return refuse(input_error("The special tokens alone are " + std::to_string(added) +
                                  ", and a row may have " + std::to_string(limit) + ".",
                              "", "Raise training.max_length."));
  }
  Example example;
  const auto cut = static_cast<std::int64_t>(ids.size()) - limit;
  if (cut > 0) {
    const auto end = ids.begin() + static_cast<std::ptrdiff_t>(last);
    ids.erase(end - static_cast<std::ptrdiff_t>(cut), end);
    example.truncated_tokens = cut;
  }
  for (const TokenId id : ids)
    example.labels.push_back(tokenizer_->is_special(id) ? kIgnoreLabel : id);
  example.input_ids = std::move(ids);
  return example;
}

namespace {

bool is_one_text(const Message& message) {
  return message.content.size() == 1 && message.content[0].kind == ContentPart::Kind::Text;
}

constexpr const char* kPairExpected =
    "Give a row of one text that is read, and one that is written for it: {\"source\": \"…\", "
    "\"target\": \"…\"}.";

}  // namespace

/// Of what is written as of what is read, the tokens behind the text stay where it is cut.
void cut_both_texts(const Tokenizer& tokenizer, std::int64_t most, Example& example) {
  const auto cut = [&](std::vector<TokenId>& ids, std::vector<std::int64_t>* labels) {
    const auto over = static_cast<std::int64_t>(ids.size()) - most;
    if (most <= 0 || over <= 0) return;
    auto end = ids.end();
    while (end != ids.begin() && tokenizer.is_special(*(end - 1))) --end;
    const auto gone = std::min(over, static_cast<std::int64_t>(end - ids.begin()));
    const auto at = end - ids.begin();
    ids.erase(end - gone, end);
    if (labels) labels->erase(labels->begin() + (at - gone), labels->begin() + at);
    example.truncated_tokens += gone;
  };
  cut(example.source_ids, nullptr);
  cut(example.input_ids, &example.labels);
}

/// What is written is a text of its own, with the tokenizer's special tokens, as transformers'
/// examples tokenize it.
Result<Example> ChatProcessor::encode_source(const Row& row) const {
  const auto& messages = row.messages;
  const bool asked = messages.size() == 1 || (!row.prompt_only && messages.size() == 2);
  if (!asked || !is_one_text(messages[0]) || (messages.size() == 2 && !is_one_text(messages[1]))) {
    return row.error(
        RowFault::BadRow, "The row has several turns or parts, and this model reads one text.",
        row.prompt_only ? "Give a row of one text or of one user message." : kPairExpected);
  }
  auto read = tokenizer_->encode(messages[0].content[0].text, /*add_special_tokens=*/true);
  if (!read) return row.about(RowFault::BadRow, read.error());
  Example example;
  example.source_ids = std::move(read->ids);
  const auto length = static_cast<std::int64_t>(example.source_ids.size());
  if (row.prompt_only && longest_row_ > 0 && length > longest_row_) {
    return row.error(RowFault::BadRow,
                     "The text is " + std::to_string(length) + " tokens, and the model has " +
                         std::to_string(longest_row_) + " positions.",
                     "Give a shorter text.");
  }
  if (row.prompt_only) return example;
  // The decoder's rows are read as all answers are: a token is predicted from those before it.
  example.input_ids = {image_tokens_.answer_start};
  example.labels = {kIgnoreLabel};
  if (messages.size() < 2) return example;
  auto written = tokenizer_->encode(messages[1].content[0].text, /*add_special_tokens=*/true);
  if (!written) return row.about(RowFault::BadRow, written.error());
  // Where no token begins all rows, the language that stands behind the text goes to its front.
  if (image_tokens_.answer_start < 0 && !written->ids.empty()) {
    const TokenId language = language_of_start(image_tokens_.answer_start);
    if (language >= 0) set_language(*tokenizer_, language, *written);
    example.input_ids.front() = written->ids.back();
  }
  example.input_ids.insert(example.input_ids.end(), written->ids.begin(), written->ids.end());
  example.labels.insert(example.labels.end(), written->ids.begin(), written->ids.end());
  return example;
}

Result<Example> ChatProcessor::encode_caption(const Conversation& conversation,
                                              std::int64_t max_length, const std::string& where,
                                              RowFault* fault, const SizeOf* outline) const {
  if (image_tokens_.form == RowForm::SourceAnswer && image_tokens_.mark.empty()) {
    Conversation caption;  // the picture is read, and its text written
    caption.messages = {{"user", {}, nullptr}, {"assistant", {}, nullptr}};
    for (const Message& message : conversation.messages)
      for (const ContentPart& part : message.content)
        caption.messages[part.kind == ContentPart::Kind::Text ? 1 : 0].content.push_back(part);
    return outline
               ? measure_training(caption, LossOn::Completion, max_length, where, fault, *outline)
               : encode_training(caption, LossOn::Completion, max_length, where, fault);
  }
  std::string text;
  for (const Message& message : conversation.messages)
    for (const ContentPart& part : message.content)
      if (part.kind == ContentPart::Kind::Text) text += part.text;
  LUTHIER_TRY(Example example, encode_plain(text, max_length, where, fault));
  const Row row{conversation.messages, where, fault, false, {}, {}, nullptr};
  LUTHIER_TRY(example.images, load_pictures(row, outline));
  if (example.images.size() == 1) return example;
  return row.error(RowFault::BadRow,
                   "The row has " + std::to_string(example.images.size()) +
                       " pictures, and a text goes with one.",
                   "Write a row for each.");
}

}  // namespace luthier
