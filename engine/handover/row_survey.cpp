// SPDX-License-Identifier: GPL-3.0-or-later
// What TRL's own collators make of the rows, beside what this program makes of them: token for
// token and label for label, from the pictures' sizes alone.
#include <algorithm>

#include "engine/handover/each_row.h"
#include "engine/io/files.h"

namespace luthier::handover {

namespace fs = std::filesystem;

namespace {

const std::vector<Message>* answer_of(const Conversation& row, RowColumns columns) {
  if (columns == RowColumns::Pair) return row.chosen ? &*row.chosen : nullptr;
  return row.answer ? &*row.answer : nullptr;
}

bool has_pictures(const Conversation& row) {
  const auto all = all_messages(row);
  return std::any_of(all.begin(), all.end(), [](const Message* message) {
    return std::any_of(
        message->content.begin(), message->content.end(),
        [](const ContentPart& part) { return part.kind == ContentPart::Kind::Image; });
  });
}

Status check_taken(const Conversation& row, const std::string& where) {
  const auto refused = [&](const char* what, const char* hint) {
    return Status(input_error(what, where, hint));
  };
  if (!row.tools.is_null() || uses_tools(row.messages))
    return refused(
        "The row uses tools, which are not handed over: TRL's collators lay them out "
        "in their own ways.",
        "Take such rows out.");
  for (const Message* message : all_messages(row)) {
    for (const ContentPart& part : message->content)
      if (part.kind == ContentPart::Kind::Film)
        return refused("The row shows a film, and TRL 1.16's trainers take pictures and texts.",
                       "Take such rows out, or give them single frames as pictures.");
    if (!message->extra.is_object()) continue;
    for (const auto& [key, value] : message->extra.items())
      if (!value.is_string())
        return refused(
            "A message of the row holds more than a text under one of its keys, which "
            "is not handed over.",
            "Take such rows out.");
  }
  return {};
}

bool same_sequence(const Example& a, const Example& b) {
  return a.input_ids == b.input_ids && a.labels == b.labels;
}

/// The row's answers as rows of their own.
Conversation with_answer(const Conversation& row, const std::vector<Message>& answer) {
  Conversation whole;
  whole.messages = row.messages;
  whole.messages.insert(whole.messages.end(), answer.begin(), answer.end());
  return whole;
}

/// Tokens of a prompt and its answer as one text, cut where TRL cuts them: where the prompt's own
/// tokens and the whole's part ways.
Result<Example> by_common_beginning(const ChatProcessor& processor, const Conversation& whole,
                                    const Example& together, const std::string& where) {
  Conversation asked = whole;
  asked.messages.pop_back();
  LUTHIER_TRY(const Example prompt, processor.encode_prompt(asked, where));
  Example cut = together;
  const auto common = std::mismatch(cut.input_ids.begin(), cut.input_ids.end(),
                                    prompt.input_ids.begin(), prompt.input_ids.end());
  const auto start = common.first - cut.input_ids.begin();
  for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(cut.labels.size()); ++i) {
    const auto at = static_cast<std::size_t>(i);
    cut.labels[at] = i < start ? kIgnoreLabel : cut.input_ids[at];
  }
  return cut;
}

/// What TRL makes of one row of prompt and answer.
Result<Example> as_trl(const ChatProcessor& processor, const Conversation& whole,
                       const Example& together, bool pictured, const std::string& where) {
  if (!pictured) return by_common_beginning(processor, whole, together, where);
  Conversation asked = whole;
  const Message answer = asked.messages.back();
  asked.messages.pop_back();
  const ChatProcessor::SizeOf from_headers;
  LUTHIER_TRY(
      const std::vector<Example> apart,
      processor.encode_answers(asked, {{answer}}, /*max_length=*/0, where, nullptr, &from_headers));
  return apart.front();
}

/// Whether the template says itself what an assistant says; then so do the labels.
bool marks_generation(const fs::path& model) {
  for (const char* name : {"chat_template.jinja", "chat_template.json", "tokenizer_config.json",
                           "processor_config.json"}) {
    const auto text = read_file(model / name, 64u << 20);
    if (text && text->find("endgeneration") != std::string::npos) return true;
  }
  return false;
}

/// An answer of the assistant before a later picture: its tokens' places there depend on how many
/// the picture takes.
bool answers_before_pictures(const Conversation& row) {
  bool answered = false;
  for (const Message& message : row.messages) {
    answered = answered || message.role == "assistant";
    for (const ContentPart& part : message.content)
      if (answered && part.kind == ContentPart::Kind::Image) return true;
  }
  return false;
}

/// What the rows of a conversation and its answer come to, one after another.
class AnswerSurvey {
 public:
  AnswerSurvey(LossOn loss_on, bool pictured) : loss_on_(loss_on), pictured_(pictured) {}

  Status look(const RowsToWrite& rows, const Conversation& row, const std::string& where) {
    const ChatProcessor& processor = *rows.processor;
    LUTHIER_TRY(const Example completion,
                processor.measure_training(row, LossOn::Completion, 0, where));
    LUTHIER_TRY(const Example trls, as_trl(processor, row, completion, pictured_, where));
    same_as_trl_ = same_as_trl_ && same_sequence(completion, trls);
    if (loss_on_ != LossOn::Assistant) return {};
    LUTHIER_TRY(const Example turns, processor.measure_training(row, loss_on_, 0, where));
    one_answer_ = one_answer_ && same_sequence(turns, completion);
    if (early_.empty() && answers_before_pictures(row)) early_ = where;
    return {};
  }

  /// Who tokenizes, and which tokens carry a loss, into `facts`.
  Status decide(const fs::path& model, RowFacts& facts) const {
    facts.loss_on = loss_on_ == LossOn::Assistant && one_answer_ ? LossOn::Completion : loss_on_;
    facts.tokenizing = Tokenizing::Script;
    if (facts.loss_on == LossOn::Completion) {
      if (same_as_trl_) facts.tokenizing = Tokenizing::Trl;
      return {};
    }
    if (facts.loss_on == LossOn::All) {
      if (!pictured_) facts.tokenizing = Tokenizing::Messages;
      return {};
    }
    const bool marked = marks_generation(model);
    if (marked && pictured_)
      return input_error(
          "Every turn of the assistant is learned as the chat template marks it, "
          "which TRL 1.16 does for texts alone.",
          "training.loss_on", "Write training.loss_on: completion.");
    if (marked) facts.tokenizing = Tokenizing::Assistant;
    if (marked || early_.empty()) return {};
    return input_error(
        "Every turn of the assistant is learned, and here one stands before a "
        "picture, whose place TRL's processors do not tell.",
        early_, "Write training.loss_on: completion, or take such rows out.");
  }

 private:
  const LossOn loss_on_;
  const bool pictured_;
  bool same_as_trl_ = true, one_answer_ = true;
  std::string early_;  ///< the first row of which an answer stands before a picture
};

/// TRL tokenizes a text's pair as one text; this program always apart.
Status check_apart(const RowsToWrite& rows, const Conversation& row, RowColumns columns,
                   const std::string& where) {
  std::vector<const std::vector<Message>*> answers{answer_of(row, columns)};
  if (row.rejected) answers.push_back(&*row.rejected);
  for (const auto* answer : answers) {
    if (!answer) continue;
    const Conversation whole = with_answer(row, *answer);
    LUTHIER_TRY(const Example together,
                rows.processor->measure_training(whole, LossOn::Completion, 0, where));
    LUTHIER_TRY(const Example trls, by_common_beginning(*rows.processor, whole, together, where));
    LUTHIER_TRY(const std::vector<Example> apart,
                rows.processor->encode_answers(row, {*answer}, 0, where));
    if (!same_sequence(apart.front(), trls))
      return input_error(
          "TRL makes other tokens of this row: of a text it makes prompt and answer "
          "together, and a token reaches over their border.",
          where, "Take such rows out.");
  }
  return {};
}

}  // namespace

Result<RowFacts> survey_rows(const std::vector<RowsToWrite>& sets, const TrlTrainer& trainer,
                             const fs::path& model, const Progress& progress) {
  const RowsToWrite& first = sets.front();
  if (first.processor->row_form() != RowForm::ChatTemplate)
    return input_error("Rows of this model are not laid out by a chat template, and TRL's are.",
                       "model", "Choose a model that has one.");
  RowFacts facts;
  LUTHIER_CHECK(each_row(
      sets, progress, [&](const RowsToWrite&, const Conversation& row, const std::string& where) {
        facts.pictures = facts.pictures || has_pictures(row);
        facts.margins = facts.margins || row.numbers.contains("margin");
        for (const Message* message : all_messages(row))
          if (message->extra.is_object())
            for (const auto& [key, value] : message->extra.items()) facts.more_keys.insert(key);
        return check_taken(row, where);
      }));
  if (facts.pictures && !trainer.pictures)
    return input_error("TRL 1.16's " + std::string(trainer.trainer) +
                           " takes texts, and these rows show pictures.",
                       "dataset", "Train it here.");
  if (trainer.columns == RowColumns::Answer) {
    AnswerSurvey survey(first.loss_on, facts.pictures);
    LUTHIER_CHECK(
        each_row(sets, progress,
                 [&](const RowsToWrite& rows, const Conversation& row, const std::string& where) {
                   return survey.look(rows, row, where);
                 }));
    LUTHIER_CHECK(survey.decide(model, facts));
    return facts;
  }
  // With a column of pictures, be it empty, TRL makes prompt and answer apart.
  facts.pictures = trainer.pictures && first.processor->image_processor();
  if (!facts.pictures)
    LUTHIER_CHECK(
        each_row(sets, progress,
                 [&](const RowsToWrite& rows, const Conversation& row, const std::string& where) {
                   return check_apart(rows, row, trainer.columns, where);
                 }));
  return facts;
}

}  // namespace luthier::handover
