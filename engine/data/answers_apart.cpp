// SPDX-License-Identifier: GPL-3.0-or-later
// Several answers to one prompt: what TRL's picture collators make of a preference row. Nothing is
// tokenized across the border between prompt and answer, so all sequences begin with the same
// tokens.
#include <algorithm>

#include "engine/data/boxes/box_rows.h"
#include "engine/data/processor_row.h"

namespace luthier {

namespace {

/// How many bytes two texts begin with in common, up to a whole character.
std::size_t shared_bytes(const std::string& a, const std::string& b) {
  auto count = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const auto goes_on = [](const std::string& text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  while (count > 0 && (goes_on(a, count) || goes_on(b, count))) --count;
  return count;
}

}  // namespace

Result<std::vector<Example>> ChatProcessor::encode_apart(
    const Row& prompt, const std::vector<std::vector<Message>>& answers,
    std::int64_t max_length) const {
  std::vector<Example> sequences;
  const bool suffixed = image_tokens_.form == RowForm::PrefixSuffix;
  if (image_tokens_.form == RowForm::Source)
    return prompt.error(RowFault::BadRow,
                        "The row has several answers, and this model learns from one text that is "
                        "written for another.");
  if (suffixed || image_tokens_.form == RowForm::SourceAnswer) {  // apart by their own rules
    for (const std::vector<Message>& answer : answers) {
      std::vector<Message> messages = prompt.messages;
      messages.insert(messages.end(), answer.begin(), answer.end());
      const Row row{messages, prompt.where,        prompt.fault, false,
                    {},       prompt.replacements, prompt.tools};
      LUTHIER_TRY(Example example,
                  suffixed ? encode_prefix_suffix(row) : encode_source_answer(row, max_length));
      sequences.push_back(std::move(example));
    }
    return sequences;
  }
  const std::string& last = prompt.messages.back().role;
  LUTHIER_TRY(const FilledText asked,
              lay_out(prompt, prompt.messages.size(), last == "user" || last == "tool"));
  std::vector<std::string> texts;
  std::size_t border = asked.text.size();
  for (const std::vector<Message>& answer : answers) {
    std::vector<Message> messages = prompt.messages;
    messages.insert(messages.end(), answer.begin(), answer.end());
    const Row row{messages, prompt.where,        prompt.fault, false,
                  {},       prompt.replacements, prompt.tools};
    LUTHIER_CHECK(check_tools(row));
    LUTHIER_TRY(FilledText whole, lay_out(row, messages.size(), false));
    border = std::min(border, shared_bytes(asked.text, whole.text));
    texts.push_back(std::move(whole.text));
  }
  LUTHIER_TRY(const Encoding given, encode_text(prompt, asked.text.substr(0, border), false));
  for (const std::string& text : texts) {
    auto answer = tokenizer_->encode(text.substr(border), false);
    if (!answer) return prompt.about(RowFault::BadRow, answer.error());
    Example example;
    example.input_ids = given.ids;
    example.input_ids.insert(example.input_ids.end(), answer->ids.begin(), answer->ids.end());
    example.labels.assign(given.ids.size(), kIgnoreLabel);
    example.labels.insert(example.labels.end(), answer->ids.begin(), answer->ids.end());
    sequences.push_back(std::move(example));
  }
  return sequences;
}

Result<std::vector<Example>> ChatProcessor::encode_answers(
    const Conversation& conversation, const std::vector<std::vector<Message>>& answers,
    std::int64_t max_length, const std::string& where, RowFault* fault,
    const SizeOf* outline) const {
  if (holds_boxes(conversation)) {
    const SizeOf size_of = outline ? *outline : SizeOf();
    std::vector<std::vector<Message>> said;
    Conversation asked;
    for (const std::vector<Message>& answer : answers) {
      Conversation whole = conversation;
      whole.answer = answer;
      LUTHIER_TRY(asked, written_boxes(whole, box_writer(*this), where, fault, size_of));
      said.push_back(*asked.answer);
    }
    if (!answers.empty()) return encode_answers(asked, said, max_length, where, fault, outline);
  }
  Row prompt{conversation.messages, where, fault, false, {}, {}, &conversation.tools};
  if (conversation.messages.empty())
    return prompt.error(RowFault::BadRow, "The row has answers but no prompt.");
  for (const std::vector<Message>& answer : answers) {
    Row said{answer, where, fault, false, {}, {}, nullptr};
    LUTHIER_CHECK(prepare_pictures(said));
  }
  LUTHIER_TRY(prompt.pictures, load_pictures(prompt, outline));
  LUTHIER_CHECK(prepare_pictures(prompt));
  LUTHIER_TRY(std::vector<Example> sequences, encode_apart(prompt, answers, max_length));
  const bool shared = image_tokens_.form == RowForm::SourceAnswer;  // room for both texts
  for (Example& example : sequences)
    if (!shared) LUTHIER_CHECK(cut(prompt, !prompt.pictures.empty(), max_length, example));
  if (!sequences.empty()) sequences.front().images = std::move(prompt.pictures);
  return sequences;
}

}  // namespace luthier
