// SPDX-License-Identifier: GPL-3.0-or-later
// The table of fields of a config that read_kind_settings and write_kind_settings do.
#pragma once

#include <vector>

#include "engine/methods/setting_fields.h"

namespace luthier {

/// The kind's settings are read; `besides` says what else the config has, or which of the settings
/// is not read.
std::vector<SettingField> fields_of_kind(const Kind& kind, std::vector<SettingField> besides);

}  // namespace luthier
