// SPDX-License-Identifier: GPL-3.0-or-later
// Rows whose answers a model writes in the run, in the place of those that they came with, or where
// they have none. Every draw goes by its place (options.seed, the answer, the token), so that a
// resume draws the same. No answer holds a token that stands for a picture. The rows need their
// pixels.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/batches/generation.h"
#include "engine/generate/generate.h"

namespace luthier {

/// How many tokens stand before the last labelled stretch, which is what is answered; 0: nothing
/// has a label, or nothing stands before it.
std::size_t tokens_before_answer(const Example& example);

/// The model, with whatever adapter is active, answers each sequence's prompt: what stands before
/// its last labelled stretch. The answer's tokens, with the end token if one came, follow the
/// prompt and are labelled; a sequence without a label stays as it is.
Status draw_answers(const LoadedModel& model, MicroBatch& rows, GenerationOptions options);

/// Who answers: so many samples of each prompt, those of one prompt beside one another. `draws`:
/// one a sample.
struct Drawer {
  using Answers = Result<std::vector<Generated>>;
  std::int64_t samples = 1;
  std::function<Answers(const std::vector<Example>& prompts, const GenerationOptions& options,
                        const GenerationProgress& go_on, std::span<const std::uint64_t> draws)>
      answers;
};
/// The model with whatever adapter is active, which lives as long; a prompt's samples share what
/// was made of it.
Drawer drawn_by(const LoadedModel& model, std::int64_t samples);

/// A row that is a prompt gets these samples, each with a sequence of its own.
void give_samples(EncodedRow& row, std::vector<RowSample> samples);

/// The generation's rows, which are prompts, get samples of each drawer, in their order → the
/// samples' texts, row by row. `base`: whose processor made the rows. Interrupted when the
/// generation's `go_on` says no.
Result<std::vector<std::string>> draw_samples(const LoadedModel& base, Generation& generation,
                                              const std::vector<Drawer>& drawers,
                                              GenerationOptions options);
/// The same of the model alone.
Result<std::vector<std::string>> draw_samples(const LoadedModel& model, Generation& generation,
                                              std::int64_t each, GenerationOptions options);

}  // namespace luthier
