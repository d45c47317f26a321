// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts of one call for answers share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/generate/answer_text.h"
#include "engine/generate/generate.h"
#include "engine/generate/ruled_scores.h"
#include "engine/generate/standing_steps.h"

namespace luthier {

/// What all prompts of one call share.
struct DecodingWork {
  const LoadedModel& loaded;
  const std::vector<Example>& prompts;
  const std::vector<std::size_t> prompt_of;  ///< each answer's
  const std::size_t samples;                 ///< answers to a prompt that come in together
  const GenerationOptions& options;
  const GenerationProgress& progress;
  std::span<const std::uint64_t> draws;
  const std::vector<Adapter*> adapters;  ///< of each answer; empty: whatever is active
  std::vector<Generated>& results;
  const std::vector<TokenId>& ends;  ///< what ends an answer; nothing where that is asked for
  const RuledScores& rules;
  std::vector<AnswerText> texts;
  std::unordered_map<TokenId, std::string> pieces;
  std::unique_ptr<StandingSteps> standing;  ///< null: steps are not recorded

  /// Of an answer.
  const Example& prompt(std::size_t index) const { return prompts[prompt_of[index]]; }
  const std::string& piece(TokenId id) {
    const auto [place, fresh] = pieces.try_emplace(id);
    if (fresh) place->second = piece_text(loaded.processor->tokenizer(), id);
    return place->second;
  }
  void place_tokens(std::size_t index) {
    const auto ranges = texts[index].ranges();
    std::vector<AnswerToken>& tokens = results[index].tokens;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i].begin = ranges[i].first;
      tokens[i].end = ranges[i].second;
    }
  }
};

/// What a prompt is to the model: the beginning of its answer, or a text of its own.
inline const std::vector<TokenId>& prompt_ids(Model& model, const Example& prompt) {
  return model.sequence_to_sequence() ? prompt.source_ids : prompt.input_ids;
}

/// Of the first prompt with this adapter.
inline std::size_t place_of(const DecodingWork& work, const Adapter* adapter) {
  return static_cast<std::size_t>(std::find(work.adapters.begin(), work.adapters.end(), adapter) -
                                  work.adapters.begin());
}

}  // namespace luthier
