// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/pictures/config_lists.h"

#include "engine/models/config_numbers.h"

namespace luthier {

Status read_list_in_range(const Json& config, const char* key, const std::string& where,
                          std::size_t most, std::int64_t low, std::int64_t high,
                          std::vector<std::int64_t>& values) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return {};
  if (!found->is_array() || found->size() > most)
    return input_error("A list of at most " + std::to_string(most) + " whole numbers is expected.",
                       where + ": " + key);
  values.clear();
  for (const Json& each : *found) {
    if (!each.is_number_integer())
      return input_error("A list of whole numbers is expected.", where + ": " + key);
    values.push_back(each.get<std::int64_t>());
    LUTHIER_CHECK(in_range(values.back(), low, high, where, key));
  }
  return {};
}

}  // namespace luthier
