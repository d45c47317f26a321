// SPDX-License-Identifier: GPL-3.0-or-later
// Whole numbers of a config.json within what a family can take: sizes that are no size are refused
// before anything is multiplied or allocated by them.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

/// An Input error that names `where: key`, the value and the range, where it lies outside.
Status in_range(std::int64_t value, std::int64_t low, std::int64_t high, const std::string& where,
                const char* key);
/// `value` as the config has it, where it has one; the value that stands is checked as in_range
/// does.
Status read_in_range(const Json& config, const char* key, const std::string& where,
                     std::int64_t low, std::int64_t high, std::int64_t& value);

}  // namespace luthier
