// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/drawn_answers.h"

#include <optional>

#include "engine/generate/generate.h"

namespace luthier {

namespace {

/// How many tokens stand before the last labelled stretch; 0: nothing has a label, or nothing
/// stands before it.
std::size_t prompt_length(const Example& example) {
  std::size_t end = example.labels.size();
  while (end > 0 && example.labels[end - 1] == kIgnoreLabel) --end;
  while (end > 0 && example.labels[end - 1] != kIgnoreLabel) --end;
  return end;
}

void put_answer(Example& example, std::size_t prompt, const Generated& answer) {
  example.input_ids.resize(prompt);
  example.labels.assign(prompt, kIgnoreLabel);
  for (const AnswerToken& token : answer.tokens) {
    example.input_ids.push_back(token.id);
    example.labels.push_back(token.id);
  }
  example.truncated_tokens = 0;
}

}  // namespace

Status draw_answers(const LoadedModel& model, MicroBatch& rows, const GenerationOptions& options) {
  std::vector<Example> prompts;
  std::vector<Example*> sequences;
  std::vector<std::uint64_t> draws;
  std::uint64_t place = 0;
  for (EncodedRow& row : rows.encoded) {
    for (Example& example : row.sequences) {
      const std::uint64_t draw = place++;
      const std::size_t length = prompt_length(example);
      if (length == 0) continue;
      Example prompt;
      prompt.input_ids.assign(example.input_ids.begin(),
                              example.input_ids.begin() + static_cast<std::ptrdiff_t>(length));
      prompt.images = example.images;
      prompt.prompt_tokens = example.prompt_tokens;
      prompts.push_back(std::move(prompt));
      sequences.push_back(&example);
      draws.push_back(draw);
    }
  }
  if (prompts.empty()) return {};
  std::optional<LoadedModel> plain;
  if (model.answer_rules != AnswerRules()) plain = model, plain->answer_rules = {};
  LUTHIER_TRY(const std::vector<Generated> answers,
              generate(plain ? *plain : model, prompts, options, {}, draws));
  for (std::size_t i = 0; i < answers.size(); ++i)
    put_answer(*sequences[i], prompts[i].input_ids.size(), answers[i]);
  return {};
}

}  // namespace luthier
