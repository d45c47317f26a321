// SPDX-License-Identifier: GPL-3.0-or-later
// What cpo and simpo have in common: a pair's two answers against one another without a reference.
#pragma once

#include "engine/config/field_rows.h"

namespace luthier::rows {

inline Row contrast_beta(const char* key) {
  return kind_number(key, "Beta", "How sharply the two answers are told apart.", 0.1).above(0);
}

inline Row target_margin(const char* key, const char* help) {
  return kind_number(key, "Margin", help, 0.5);
}

inline Row reward_alpha(const char* key) {
  return kind_number(key, "Alpha of the reward",
                     "Bends each answer's reward to (1 − p^(−alpha)) / alpha, p its probability "
                     "(AlphaPO); 0: the logarithm of p.",
                     0)
      .advanced();
}

}  // namespace luthier::rows
