// SPDX-License-Identifier: GPL-3.0-or-later
// What LoRA cannot do beside an invocation (aLoRA), asked of a recipe and of a folder alike.
#pragma once

#include <string>

#include "engine/config/kinds/start_rules.h"
#include "engine/config/recipe.h"

namespace luthier {

/// The setting that names the invocation's tokens.
inline constexpr const char* kInvocation = "adapter.alora_invocation_tokens";

/// The setting that an adapter which is on for a part of the tokens cannot have: it leaves weights
/// and embedding as they are. Null: there is none, or no invocation either.
inline const char* set_beside_invocation(const AdapterSettings& adapter) {
  if (adapter.more.names(kInvocation).empty()) return nullptr;
  if (adapter.use_dora) return "adapter.use_dora";
  if (starts_from_weight(adapter.init_lora_weights)) return "adapter.init_lora_weights";
  for (const char* key : {"adapter.target_parameters", "adapter.trainable_token_indices"})
    if (!adapter.more.names(key).empty()) return key;
  return nullptr;
}

}  // namespace luthier
