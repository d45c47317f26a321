// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives have in common that learn from two judged answers to each prompt.
#pragma once

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier::rows {

inline Row pair_rule(const char* key) {
  return kind_choice(key, "Loss", "How the two answers are compared.", {"sigmoid", "ipo"},
                     "sigmoid");
}

inline Row missing_eos_penalty(const char* key) {
  return kind_optional_number(key, "Penalty of unfinished answers",
                              "What an answer without an end token is worth less; empty: nothing.")
      .at_least(0)
      .advanced();
}

inline Row max_new_tokens(const char* key) {
  return kind_integer(key, "Longest answer", "Tokens that an answer has at most when it is drawn.",
                      64)
      .unit("tokens")
      .at_least(1)
      .at_most(1048576);
}

inline Row reward_model(const char* key) {
  return kind_path(key, "Reward model",
                   "What judges drawn answers: the folder that a run with the objective reward "
                   "has left.");
}

inline Row judged_rollouts(const char* key) {
  return kind_path(key, "Judged answers",
                   "A file of prompts with two answers each and what these are worth, which are "
                   "learned from row after row; empty: answers are drawn.")
      .advanced();
}

/// Answers come from a file, or somebody judges those that are drawn. `section`: the objective's.
inline Status check_judged(const Recipe& recipe, const std::string& section) {
  const std::string judge = section + ".reward_model", given = section + ".rollouts";
  if (!recipe.more.text(given).empty() || !recipe.more.text(judge).empty()) return {};
  return cross_fault(judge.c_str(), "names nothing that judges answers.",
                     "Name the folder that a run with objective: reward has left, or a file of "
                     "judged answers as " +
                         given + ".");
}

}  // namespace luthier::rows
