// SPDX-License-Identifier: GPL-3.0-or-later
// The setting of the loss that keeps a model's experts evenly used, which several objectives have
// beside their own.
#pragma once

#include "engine/config/field_rows.h"

namespace luthier::rows {

inline Row router_loss(const char* key) {
  return kind_optional_number(
             key, "Weight of even experts",
             "How much it counts that experts are used evenly (TRL's). Empty: as the "
             "checkpoint says, where its text config has output_router_logits; 0: not at "
             "all.")
      .at_least(0)
      .at_most(1e6)
      .advanced();
}

}  // namespace luthier::rows
