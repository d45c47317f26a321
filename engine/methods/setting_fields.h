// SPDX-License-Identifier: GPL-3.0-or-later
// Every field that an adapter_config.json of a method can have, and what becomes of it here: a
// folder whose config says more than is computed is never answered with in silence.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/kinds.h"
#include "engine/config/recipe.h"
#include "engine/io/json.h"

namespace luthier {

struct SettingField {
  enum class Use {
    Read,      ///< it decides what is computed, or is checked against what is
    Harmless,  ///< no value of it changes an answer; `why` says why
    Refused,   ///< a value other than its default is refused; `why` says what it would do
  };
  const char* name;
  Use use;
  const char* why;
};

/// What PEFT writes for every method, in the way of the tables.
const std::vector<SettingField>& common_fields();

/// Input error for the first field whose value is refused. `where` names the file.
Status check_fields(const std::vector<SettingField>& fields, const Json& config,
                    const std::string& where);
/// Keys that neither the table nor common_fields() knows.
std::vector<std::string> unknown_fields(const std::vector<SettingField>& fields,
                                        const Json& config);

/// target_modules and the like: null, a list of strings or one string.
Result<ModuleSelector> read_selector(const Json& config, const char* key, const std::string& where);
/// target_modules, exclude_modules and modules_to_save, in and out.
Status read_module_settings(const Json& config, const std::string& where,
                            AdapterSettings& settings);
void write_module_settings(const AdapterSettings& settings, Json& config);
/// A kind's own settings, each under its name without "adapter.": absent ones keep their default.
Status read_own_settings(const Kind& kind, const Json& config, const std::string& where,
                         AdapterSettings& settings);
void write_own_settings(const Kind& kind, const AdapterSettings& settings, Json& config);
/// What PEFT writes for every method.
Json common_json();

/// All settings that a kind has, its own and those that it shares, with PEFT's defaults for what is
/// absent, in and out.
Result<AdapterSettings> read_kind_settings(const Kind& kind, const Json& config,
                                           const std::string& where);
Json write_kind_settings(const Kind& kind, const AdapterSettings& settings);

}  // namespace luthier
