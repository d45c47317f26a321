// SPDX-License-Identifier: GPL-3.0-or-later
// Settings that the methods with virtual tokens have in common.
#pragma once

#include "engine/config/field_rows.h"

namespace luthier::rows {

inline Row num_virtual_tokens() {
  return kind_integer("adapter.num_virtual_tokens", "Virtual tokens",
                      "Trained tokens in front of every row.", 20)
      .unit("tokens")
      .at_least(1)
      .at_most(65536);
}

}  // namespace luthier::rows
