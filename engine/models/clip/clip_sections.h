// SPDX-License-Identifier: GPL-3.0-or-later
// The sections of CLIP's and CLIPSeg's config.json, under the names that there have been.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

/// config[key]. Where an older file has the section under its older name (key_dict), too, that one
/// counts alone: the configuration class fills it up with its defaults and lays it over the other.
Result<Json> clip_section(const Json& config, const std::string& key, const std::string& where);

}  // namespace luthier
