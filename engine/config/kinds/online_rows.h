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

inline Row judged_rollouts(const char* key) {
  return kind_path(key, "Judged answers",
                   "A file of prompts with two answers each and what these are worth, which are "
                   "learned from row after row.");
}

inline Status check_judged(const Recipe& recipe, const char* key) {
  if (!recipe.more.text(key).empty()) return {};
  return cross_fault(key, "names no file.",
                     "Give prompts with two answers each (completion_ids) and their rewards.");
}

}  // namespace luthier::rows
