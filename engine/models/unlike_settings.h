// SPDX-License-Identifier: GPL-3.0-or-later
// Why two checkpoints of one family have unlike tensors: which settings of their config.json it is.
// A tensor's name tells a person little; that one model has a layer more is said by its settings.
#pragma once

#include <string>
#include <vector>

#include "engine/models/family.h"

namespace luthier {

/// The settings in which the two differ and that ask for other tensors, as paths in the file
/// ("text_config.num_hidden_layers"). Each is tried: `one` with this setting as `other` has it.
std::vector<std::string> unlike_settings(const Family& family, const Json& one, const Json& other);

/// The value at such a path as JSON; empty: it is not there.
std::string setting_text(const Json& config, const std::string& path);

}  // namespace luthier
