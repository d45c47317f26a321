// SPDX-License-Identifier: GPL-3.0-or-later
// YAML in, as JSON: yaml-cpp behind limits (depth, size, aliases refused as bombs) with scalars
// typed by YAML 1.2's core schema plus the forms people write (2e-4 is a number). Duplicate keys
// are refused.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

Result<Json> parse_yaml(const std::string& text, const std::string& where);

}  // namespace luthier
