// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives that learn from several answers to one prompt have in common: how these are
// drawn, where they come from, and what they are worth.
#pragma once

#include "engine/config/field_rows.h"
#include "engine/config/recipe.h"

namespace luthier::rows {

inline Row num_generations(const char* key, std::int64_t fallback) {
  return kind_integer(key, "Samples of a prompt",
                      "So many answers to each prompt are compared with one another.", fallback)
      .at_least(2)
      .at_most(4096);
}

inline Row max_completion_length(const char* key) {
  return kind_integer(key, "Longest sample", "Tokens that an answer has at most when it is drawn.",
                      512)
      .unit("tokens")
      .at_least(1)
      .at_most(1048576);
}

inline Row sampling_temperature(const char* key, double fallback = 1) {
  return kind_number(key, "Temperature",
                     "Of the draws, and of the probabilities that are learned from.", fallback)
      .above(0);
}

inline Row sampling_top_p(const char* key) {
  return kind_number(key, "Top p",
                     "Draws from the likeliest tokens alone that make up this share; 1: from all.",
                     1)
      .above(0)
      .at_most(1)
      .advanced();
}

inline Row sampling_top_k(const char* key) {
  return kind_integer(key, "Top k", "Draws from so many of the likeliest tokens; 0: from all.", 0)
      .at_least(0)
      .advanced();
}

inline Row num_iterations(const char* key) {
  return kind_integer(key, "Uses of a generation",
                      "Samples are learned from so many times before new ones are drawn.", 1)
      .at_least(1)
      .advanced();
}

inline Row steps_per_generation(const char* key) {
  return kind_optional_integer(key, "Micro-batches of a generation",
                               "So many micro-batches are drawn at once; empty: those of a step.")
      .at_least(1)
      .advanced();
}

inline Row mask_truncated(const char* key) {
  return kind_boolean(key, "Leave out cut samples",
                      "Samples that were cut off at the longest length are compared with, and not "
                      "learned from.",
                      false)
      .advanced();
}

inline Row clip_epsilon(const char* key) {
  return kind_number(key, "Epsilon",
                     "How far the ratio to the sampling model counts before it is clipped.", 0.2)
      .at_least(0);
}

inline Row clip_epsilon_high(const char* key) {
  return kind_optional_number(key, "Upper epsilon", "The same for ratios above 1; empty: as below.")
      .at_least(0)
      .advanced();
}

inline Row reward_funcs(const char* key) {
  return kind_names(key, "Rewards",
                    "What judges a sample: built-in functions by their names, or folders of reward "
                    "models.");
}

inline Row reward_weights(const char* key) {
  return kind_names(key, "Weights of the rewards", "One number for each reward; empty: 1 each.")
      .numbers()
      .advanced();
}

inline Row rollouts(const char* key) {
  return kind_path(key, "Given samples",
                   "A file of prompts with their samples and rewards, which are learned from row "
                   "after row; empty: samples are drawn.")
      .advanced();
}

/// What is wrong across settings of an objective whose section this is; `rewards_of`: the field of
/// its reward functions.
Status check_sampled(const Recipe& recipe, const std::string& section);

}  // namespace luthier::rows
