// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/kinds/kind_table.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace luthier {

std::vector<SettingField> fields_of_kind(const Kind& kind, std::vector<SettingField> besides) {
  std::vector<SettingField> table = std::move(besides);
  const auto add_setting = [&](const std::string& key) {
    if (!key.starts_with("adapter.") || key == "adapter.init_from") return;
    const char* name = key.c_str() + std::strlen("adapter.");
    const auto is = [&](const SettingField& field) { return std::string_view(name) == field.name; };
    if (std::none_of(table.begin(), table.end(), is))
      table.push_back({name, SettingField::Use::Read, ""});
  };
  for (const RecipeField& field : kind.fields) add_setting(field.about.key);
  for (const std::string& key : kind.shares) add_setting(key);
  return table;
}

}  // namespace luthier
