// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/drawn_answers.h"

namespace luthier {

namespace {

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

std::size_t tokens_before_answer(const Example& example) {
  std::size_t end = example.labels.size();
  while (end > 0 && example.labels[end - 1] == kIgnoreLabel) --end;
  while (end > 0 && example.labels[end - 1] != kIgnoreLabel) --end;
  return end;
}

Status draw_answers(const LoadedModel& model, MicroBatch& rows, GenerationOptions options) {
  bar_pictures(model, options);
  std::vector<Example> prompts;
  std::vector<Example*> sequences;
  std::vector<std::uint64_t> draws;
  std::uint64_t place = 0;
  for (EncodedRow& row : rows.encoded) {
    for (Example& example : row.sequences) {
      const std::uint64_t draw = place++;
      const std::size_t length = tokens_before_answer(example);
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

Drawer drawn_by(const LoadedModel& model, std::int64_t samples) {
  return {samples,
          [&model, samples](const std::vector<Example>& prompts, const GenerationOptions& options,
                            const GenerationProgress& go_on, std::span<const std::uint64_t> draws) {
            return generate_groups(model, prompts, static_cast<std::size_t>(samples), options,
                                   go_on, draws);
          }};
}

void give_samples(EncodedRow& row, std::vector<RowSample> samples) {
  Example prompt = std::move(row.sequences.front());
  row.sequences.clear();
  for (const RowSample& sample : samples) row.sequences.push_back(answered(prompt, sample.ids));
  row.sequences.front().images = std::move(prompt.images);
  row.samples = std::move(samples);
}

Result<std::vector<std::string>> draw_samples(const LoadedModel& base, Generation& generation,
                                              const std::vector<Drawer>& drawers,
                                              GenerationOptions options) {
  bar_pictures(base, options);
  std::vector<Example> prompts;
  for (const EncodedRow& row : generation.rows.encoded) prompts.push_back(row.sequences.front());
  std::uint64_t all = 0, before = 0;
  for (const Drawer& drawer : drawers) all += static_cast<std::uint64_t>(drawer.samples);
  const auto go_on = [&](std::size_t, const Generated&) {
    return !generation.go_on || generation.go_on();
  };
  std::vector<std::vector<Generated>> answers(prompts.size());
  for (const Drawer& drawer : drawers) {
    const auto samples = static_cast<std::uint64_t>(drawer.samples);
    std::vector<std::uint64_t> draws;  // by the sample's place among all
    for (std::uint64_t row = 0; row < prompts.size(); ++row)
      for (std::uint64_t i = 0; i < samples; ++i) draws.push_back(row * all + before + i);
    LUTHIER_TRY(std::vector<Generated> made, drawer.answers(prompts, options, go_on, draws));
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (made[i].finish == "cancelled") return interrupted_error();
      answers[i / samples].push_back(std::move(made[i]));
    }
    before += samples;
  }
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    std::vector<RowSample> samples(answers[i].size());
    for (std::size_t j = 0; j < samples.size(); ++j) {
      samples[j].ids = ids_of(answers[i][j]);
      texts.push_back(answers[i][j].text);
    }
    give_samples(generation.rows.encoded[i], std::move(samples));
  }
  generation.drawn = true;
  return texts;
}

Result<std::vector<std::string>> draw_samples(const LoadedModel& model, Generation& generation,
                                              std::int64_t each, GenerationOptions options) {
  return draw_samples(model, generation, std::vector<Drawer>{drawn_by(model, each)},
                      std::move(options));
}

}  // namespace luthier
