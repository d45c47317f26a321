// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of models whose encoder reads a picture and a question, and whose decoder writes the answer
// (Florence2Processor of transformers 5.17; the answer is tokenized as a text of its own). Where
// the family says more of a question (AskedQuestion), it is a text of its own behind the picture,
// with the tokenizer's special tokens (BLIP-2 before T5, Blip2Processor). Where
// there is no mark for pictures the picture is all that is read (VisionEncoderDecoderModel's), and
// a tokenizer that puts no end behind a text gets one: a captioner learns when to stop. There a
// family may name that end itself (BLIP), whose answers are then without the tokenizer's special
// tokens, and have a question read, too.
#include <algorithm>

#include "engine/data/asked_question.h"
#include "engine/data/processor_row.h"

namespace luthier {

namespace {

constexpr const char* kRowExpected =
    "This model takes one user message with a picture and a question, and one assistant message "
    "with its answer.";

}  // namespace

Result<Example> ChatProcessor::encode_source_answer(const Row& row, std::int64_t max_length) const {
  if (uses_tools(row.messages) || (row.tools && !row.tools->is_null()))
    return row.error(RowFault::UnsupportedTools,
                     "The row has tools, for which this model has no place.", kRowExpected);
  if (const char* reason = one_turn_refusal(row.messages))
    return row.error(RowFault::BadRow, reason, kRowExpected);
  if (row.replacements.size() != 1)
    return row.error(RowFault::BadRow,
                     "The row has " + std::to_string(row.replacements.size()) +
                         " pictures, and this model's question is about one.",
                     kRowExpected);
  const SpecialTokens& special = tokenizer_->special();
  const bool alone = image_tokens_.mark.empty();
  if (alone && !image_tokens_.ask && !joined_text(row.messages[0]).empty())
    return row.error(RowFault::BadRow,
                     "The row says something beside its picture, and this model reads pictures "
                     "alone.",
                     "Give rows of a picture and its text: {\"image\": \"…\", \"text\": \"…\"}.");
  const std::string asked = joined_text(row.messages[0]);
  Result<std::string> question = image_tokens_.ask ? image_tokens_.ask(asked) : Result(asked);
  if (!question) return row.about(RowFault::BadRow, question.error());
  const Result<AskedQuestion> apart = read_asked(*question);
  if (!alone && !apart && (special.bos_text.empty() || special.eos_text.empty()))
    return row.error(RowFault::Template, "The tokenizer names no bos_token or no eos_token.",
                     "Both stand in the model's tokenizer_config.json.");
  const bool asks = apart && (!alone || !apart->text.empty()),
             ends = alone && apart && apart->end >= 0;
  const std::string picture = row.replacements[0].text;
  Encoding read;
  if (alone) {  // a place for each of its states
    read.ids.assign(picture.size(), kPictureRow);
  } else {
    LUTHIER_TRY(
        read, encode_text(row, apart ? picture
                                     : picture + special.bos_text + *question + special.eos_text));
  }
  if (asks) {
    auto behind = tokenizer_->encode(apart->text, /*add_special_tokens=*/true);
    if (!behind) return row.about(RowFault::BadRow, behind.error());
    read.ids.insert(read.ids.end(), behind->ids.begin(), behind->ids.end());
  }
  const std::int64_t source = alone && !asks ? 0 : static_cast<std::int64_t>(read.ids.size());
  if (longest_row_ > 0 && source > longest_row_)
    return row.error(RowFault::BadRow,
                     "Picture and question are " + std::to_string(source) +
                         " tokens, and the model has " + std::to_string(longest_row_) +
                         " positions.",
                     "Ask a shorter question.");
  Example example;
  example.source_ids = std::move(read.ids);
  if (row.prompt_only) return example;
  example.input_ids = {image_tokens_.answer_start};
  example.labels = {kIgnoreLabel};
  if (row.messages.size() < 2) return example;
  auto answer = tokenizer_->encode(joined_text(row.messages[1]), /*add_special_tokens=*/!ends);
  if (!answer) return row.about(RowFault::BadRow, answer.error());
  if (ends)
    answer->ids.push_back(apart->end);
  else if (alone && special.eos && (answer->ids.empty() || answer->ids.back() != *special.eos))
    answer->ids.push_back(*special.eos);
  const auto written = static_cast<std::int64_t>(answer->ids.size());
  std::int64_t room = written;
  if (longest_row_ > 0) room = std::min(room, longest_row_ - 1);
  if (max_length > 0) room = std::min(room, max_length - source - 1);
  if (room < 1 && written > 0)
    return row.error(RowFault::BadRow,
                     "Picture and question are " + std::to_string(source) +
                         " tokens, and nothing of the answer has room in a max_length of " +
                         std::to_string(max_length) + ".",
                     "Raise training.max_length.");
  example.truncated_tokens = written - room;
  const auto end = answer->ids.begin() + room;
  example.input_ids.insert(example.input_ids.end(), answer->ids.begin(), end);
  example.labels.insert(example.labels.end(), answer->ids.begin(), end);
  return example;
}

}  // namespace luthier
