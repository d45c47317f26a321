// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives that hold the model against a reference have in common.
#pragma once

#include "engine/config/field_rows.h"

namespace luthier::rows {

inline Row ref_model() {
  return kind_path("ref_model", "Reference model",
                   "The checkpoint that the trained model is compared with; empty: the model as "
                   "it began.");
}

inline Row reference_beta(const char* key) {
  return kind_number(key, "Beta", "How strongly the trained model is held to the reference.", 0.1)
      .above(0);
}

}  // namespace luthier::rows
