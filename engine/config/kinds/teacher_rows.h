// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives that learn from a teacher have in common.
#pragma once

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier::rows {

inline Row teacher_model(const char* key) {
  return kind_path(key, "Teacher",
                   "The checkpoint whose next-token distributions are learned: of any size, with "
                   "the trained model's tokenizer.");
}

inline Row teacher_beta(const char* key, double fallback) {
  return kind_number(key, "Beta",
                     "Which distance from the teacher is taken: 0 the forward divergence, 1 the "
                     "reverse one, between them one of Jensen and Shannon's.",
                     fallback)
      .at_least(0)
      .at_most(1);
}

inline Status check_teacher(const Recipe& recipe, const char* key) {
  if (!recipe.more.text(key).empty()) return {};
  return cross_fault(key, "names no teacher.",
                     "Name the checkpoint that the model is to learn from.");
}

}  // namespace luthier::rows
