// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/drawn_answers.h"

#include <algorithm>
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

Example prompt_of(const Example& example, std::size_t length) {
  Example prompt;
  const auto end = static_cast<std::ptrdiff_t>(length);
  prompt.input_ids.assign(example.input_ids.begin(), example.input_ids.begin() + end);
  prompt.labels.assign(length, kIgnoreLabel);
  prompt.images = example.images;
  prompt.prompt_tokens = example.prompt_tokens;
  return prompt;
}

/// `draws`: of each prompt.
Result<std::vector<std::vector<TokenId>>> answers_to(const LoadedModel& model,
                                                     const std::vector<Example>& prompts,
                                                     const GenerationOptions& options,
                                                     const std::vector<std::uint64_t>& draws,
                                                     const std::function<bool()>& go_on) {
  if (prompts.empty()) return std::vector<std::vector<TokenId>>();
  std::optional<LoadedModel> plain;
  if (model.answer_rules != AnswerRules()) plain = model, plain->answer_rules = {};
  GenerationProgress progress;
  if (go_on) progress = [&go_on](std::size_t, const Generated&) { return go_on(); };
  LUTHIER_TRY(const std::vector<Generated> found,
              generate(plain ? *plain : model, prompts, options, progress, draws));
  std::vector<std::vector<TokenId>> answers;
  for (const Generated& each : found) {
    if (each.finish == "cancelled") return interrupted_error();
    std::vector<TokenId>& ids = answers.emplace_back();
    for (const AnswerToken& token : each.tokens) ids.push_back(token.id);
  }
  return answers;
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
      prompts.push_back(prompt_of(example, length));
      sequences.push_back(&example);
      draws.push_back(draw);
    }
  }
  LUTHIER_TRY(const auto answers, answers_to(model, prompts, options, draws, {}));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Example drawn = answered(prompts[i], answers[i]);
    drawn.images = std::move(sequences[i]->images);
    *sequences[i] = std::move(drawn);
  }
  return {};
}

Status draw_samples(const LoadedModel& model, Generation& generation,
                    const GenerationOptions& options) {
  std::vector<Example> prompts;
  std::vector<std::uint64_t> draws;
  for (const EncodedRow& row : generation.rows.encoded) {
    const Example& asked = row.sequences.front();
    draws.push_back(prompts.size());
    prompts.push_back(prompt_of(asked, asked.input_ids.size()));
  }
  LUTHIER_TRY(const auto answers, answers_to(model, prompts, options, draws, generation.go_on));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EncodedRow& row = generation.rows.encoded[i];
    RowSample sample;
    sample.ids = answers[i];
    row.samples = {std::move(sample)};
    Example drawn = answered(prompts[i], answers[i]);
    drawn.images = std::move(row.sequences.front().images);
    row.sequences = {std::move(drawn)};
    row.shares_pictures = true;
  }
  generation.drawn = true;
  return {};
}

}  // namespace luthier
