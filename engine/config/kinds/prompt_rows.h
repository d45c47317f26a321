// SPDX-License-Identifier: GPL-3.0-or-later
// Settings that the methods with virtual tokens have in common.
#pragma once

#include "engine/config/field_rows.h"

namespace luthier::rows {

inline Row num_virtual_tokens() {
  return kind_integer("adapter.num_virtual_tokens", "Virtual tokens",
                      "Trained tokens in front of every row; of visual prompts, of every "
                      "picture's patches.",
                      20)
      .unit("tokens")
      .at_least(1)
      .at_most(65536);
}

inline Row encoder_hidden_size() {
  return kind_optional_integer("adapter.encoder_hidden_size", "Width of the network",
                               "Of its hidden layer; null: the width of what it makes.")
      .at_least(1)
      .at_most(1048576)
      .advanced();
}

}  // namespace luthier::rows
