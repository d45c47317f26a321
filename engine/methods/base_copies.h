// SPDX-License-Identifier: GPL-3.0-or-later
// What the methods have in common that train tensors of the base itself, as copies of them that
// stand in their places while the adapter is active.
#pragma once

#include "engine/methods/method.h"

namespace luthier {

/// target_modules, exclude_modules and modules_to_save, which are all that such a config has.
const std::vector<SettingField>& copies_fields();
Result<AdapterSettings> read_copies_settings(const Json& config, const std::string& where);
Json write_copies_settings(const AdapterSettings& settings);

}  // namespace luthier
