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

inline Row teacher_top_k(const char* key) {
  return kind_optional_integer(key, "Likeliest tokens kept",
                               "The teacher is asked about all rows before the first step and let "
                               "go of then; of each token's distribution so many of the likeliest "
                               "are kept, in the run's folder. Empty: it stays, and whole "
                               "distributions are learned.")
      .at_least(1)
      .at_most(1048576)
      .advanced();
}

inline Row teacher_logits(const char* key) {
  return kind_path(key, "What the teacher said",
                   "The file teacher.safetensors of a run that has asked the teacher beforehand "
                   "about the same rows: no teacher is loaded.")
      .advanced();
}

/// What is wrong across settings of an objective whose section this is. `answers_known`: its rows'
/// answers are there before the first step; `known_by`: what makes them so.
Status check_teacher(const Recipe& recipe, const std::string& section, bool answers_known,
                     const char* known_by);

}  // namespace luthier::rows
