// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/drawn_answers.h"

#include <numeric>

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

/// A picture's place in an answer would be one without a picture.
void bar_pictures(const LoadedModel& model, GenerationOptions& options) {
  options.alternatives = 0;
  const std::int64_t vocabulary = model.model->output_head()->out_features();
  for (TokenId id = 0; id < vocabulary; ++id)
    if (model.processor->shows(id)) options.barred.push_back(id);
}

std::vector<TokenId> ids_of(const Generated& answer) {
  std::vector<TokenId> ids;
  for (const AnswerToken& token : answer.tokens) ids.push_back(static_cast<TokenId>(token.id));
  return ids;
}

}  // namespace

Status draw_answers(const LoadedModel& model, MicroBatch& rows, GenerationOptions options) {
  bar_pictures(model, options);
  std::vector<Example> prompts;
  std::vector<Example*> sequences;
  std::vector<std::uint64_t> draws;
  std::uint64_t place = 0;
  for (EncodedRow& row : rows.encoded) {
    for (Example& example : row.sequences) {
      const std::uint64_t draw = place++;
      const std::size_t length = prompt_length(example);
      if (length == 0) continue;
      Example& prompt = prompts.emplace_back(example);
      prompt.input_ids.resize(length);
      prompt.labels.resize(length);
      sequences.push_back(&example);
      draws.push_back(draw);
    }
  }
  if (prompts.empty()) return {};
  LUTHIER_TRY(const std::vector<Generated> answers, generate(model, prompts, options, {}, draws));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Example drawn = answered(prompts[i], ids_of(answers[i]));
    drawn.images = std::move(sequences[i]->images);
    *sequences[i] = std::move(drawn);
  }
  return {};
}

Result<std::vector<std::string>> draw_samples(const LoadedModel& model, Generation& generation,
                                              std::int64_t each, GenerationOptions options) {
  bar_pictures(model, options);
  std::vector<Example> prompts;
  for (const EncodedRow& row : generation.rows.encoded) prompts.push_back(row.sequences.front());
  std::vector<std::uint64_t> draws(prompts.size() * static_cast<std::size_t>(each));
  std::iota(draws.begin(), draws.end(), std::uint64_t{0});
  const auto go_on = [&](std::size_t, const Generated&) {
    return !generation.go_on || generation.go_on();
  };
  LUTHIER_TRY(
      const std::vector<Generated> answers,
      generate_groups(model, prompts, static_cast<std::size_t>(each), options, go_on, draws));
  std::vector<std::string> texts;
  auto answer = answers.begin();
  for (EncodedRow& row : generation.rows.encoded) {
    Example prompt = std::move(row.sequences.front());
    row.sequences.clear();
    for (std::int64_t i = 0; i < each; ++i, ++answer) {
      if (answer->finish == "cancelled") return interrupted_error();
      RowSample sample;
      sample.ids = ids_of(*answer);
      row.sequences.push_back(answered(prompt, sample.ids));
      row.samples.push_back(std::move(sample));
      texts.push_back(answer->text);
    }
    row.sequences.front().images = std::move(prompt.images);
  }
  generation.drawn = true;
  return texts;
}

}  // namespace luthier
