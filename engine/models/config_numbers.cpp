// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/config_numbers.h"

namespace luthier {

Status in_range(std::int64_t value, std::int64_t low, std::int64_t high, const std::string& where,
                const char* key) {
  if (value >= low && value <= high) return {};
  return input_error(std::string(key) + " is " + std::to_string(value) + ", expected " +
                         std::to_string(low) + " to " + std::to_string(high) + ".",
                     where + ": " + key,
                     "The checkpoint's configuration is damaged or not of this kind.");
}

Status read_in_range(const Json& config, const char* key, const std::string& where,
                     std::int64_t low, std::int64_t high, std::int64_t& value) {
  LUTHIER_TRY(value, json_int(config, key, where, value));
  return in_range(value, low, high, where, key);
}

}  // namespace luthier
