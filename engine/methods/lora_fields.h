// SPDX-License-Identifier: GPL-3.0-or-later
// Every field that an adapter_config.json of a LoRA can have, and what becomes of it here: a folder
// whose config says more than is computed is never answered with in silence.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct LoraField {
  enum class Use {
    Read,      ///< it decides what is computed, or is checked against what is
    Harmless,  ///< no value of it changes an answer; `why` says why
    Refused,   ///< a value other than its default is refused; `why` says what it would do
  };
  const char* name;
  Use use;
  const char* why;
};

/// PEFT 0.21's LoraConfig, sorted by name.
const std::vector<LoraField>& lora_fields();

/// Input error for the first field whose value is refused. `where` names the file.
Status check_lora_fields(const Json& config, const std::string& where);
/// Keys that PEFT 0.21 does not know either.
std::vector<std::string> unknown_lora_fields(const Json& config);

}  // namespace luthier
