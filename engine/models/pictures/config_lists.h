// SPDX-License-Identifier: GPL-3.0-or-later
// Lists of whole numbers of a config.json within what a family can take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

/// `values` as the config has them, where it has some: at most `most` whole numbers between `low`
/// and `high`. An Input error that names `where: key`.
Status read_list_in_range(const Json& config, const char* key, const std::string& where,
                          std::size_t most, std::int64_t low, std::int64_t high,
                          std::vector<std::int64_t>& values);

}  // namespace luthier
