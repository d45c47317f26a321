// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/kinds/kind_table.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace luthier {

std::vector<SettingField> fields_of_kind(const Kind& kind, std::vector<SettingField> besides) {
  std::vector<SettingField> table = std::move(besides);
  const auto add = [&](const char* name, SettingField::Use use, const char* why) {
    const std::string_view own = name;
    const auto is = [&](const SettingField& field) { return own == field.name; };
    if (std::none_of(table.begin(), table.end(), is)) table.push_back({name, use, why});
  };
  const auto add_setting = [&](const std::string& key) {
    const std::size_t section = std::strlen("adapter.");
    if (key.starts_with("adapter.") && key != "adapter.init_from")
      add(key.c_str() + section, SettingField::Use::Read, "");
  };
  for (const RecipeField& field : kind.fields) add_setting(field.about.key);
  for (const std::string& key : kind.shares) add_setting(key);
  for (const char* layers : {"layers_pattern", "layers_to_transform"})
    add(layers, SettingField::Use::Harmless, "the tensors say which modules it chose");
  return table;
}

}  // namespace luthier
