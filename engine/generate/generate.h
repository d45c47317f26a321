// SPDX-License-Identifier: GPL-3.0-or-later
// Decoding with a key-value cache: greedy, temperature, top-p; every token with its log-probability
// and runners-up. Prompts of equal length are read together; answers to prompts of all lengths are
// decoded together, and where one ends the next prompt comes in. No row sees what fills another up,
// so that each gets the answer that it gets alone. A model of two texts reads a prompt once and
// writes from its start token on.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/generate/generation_types.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"

namespace luthier {

struct Generated {
  std::int64_t prompt_tokens = 0;
  std::vector<AnswerToken> tokens;  ///< with the end token, if one came, as its last
  std::string text;                 ///< decoded, special tokens left out
  double seconds = 0;
  std::string finish;  ///< eos | length | cancelled
};

/// Called after each decoded token of prompt `index` with what there is so far; false stops
/// everything. With its last token an answer has its `finish`, and its tokens their places in the
/// text.
using GenerationProgress = std::function<bool(std::size_t index, const Generated& so_far)>;

/// Refuses a model that writes no text (an encoder, two towers); asked before prompts are made.
Status check_writes_text(const LoadedModel& loaded);

/// Answers `prompts` (from ChatProcessor::encode_prompt) with whatever adapter is active. Sampling
/// draws from (seed, `draws` of the prompt, token index); without `draws` a prompt's is its index.
Result<std::vector<Generated>> generate(const LoadedModel& loaded,
                                        const std::vector<Example>& prompts,
                                        const GenerationOptions& options,
                                        const GenerationProgress& progress = {},
                                        std::span<const std::uint64_t> draws = {});

/// The same, `samples` answers to each prompt, those of one prompt beside one another: it is read
/// once with its pictures, and its answers share what was made of it. `draws`: one an answer.
Result<std::vector<Generated>> generate_groups(const LoadedModel& loaded,
                                               const std::vector<Example>& prompts,
                                               std::size_t samples,
                                               const GenerationOptions& options,
                                               const GenerationProgress& progress,
                                               std::span<const std::uint64_t> draws);

/// How many answers are decoded together at most, of `samples` to each prompt.
std::int64_t answers_at_once(std::int64_t samples);

/// An answer to one of several prompts.
struct AskedAnswer {
  std::size_t prompt = 0;      ///< its place among them
  Adapter* adapter = nullptr;  ///< null: by the base alone
};

/// The same, each answer under its adapter, in the place of what is active, which is taken off by
/// who hung it. Answers are decoded together whatever adapters they have, so that the base's
/// weights are read once a step for all of them; adapters that cannot be routed
/// (methods/routed_adapters.h) have batches of their own. Where no adapter is on the tower, it
/// looks once at a prompt's pictures. `draws`: one an answer; without them its stream is its place.
Result<std::vector<Generated>> generate_by(const LoadedModel& loaded,
                                           const std::vector<Example>& prompts,
                                           const std::vector<AskedAnswer>& asked,
                                           const GenerationOptions& options,
                                           const GenerationProgress& progress = {},
                                           std::span<const std::uint64_t> draws = {});

}  // namespace luthier
