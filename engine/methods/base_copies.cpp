// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/base_copies.h"

namespace luthier {

const std::vector<SettingField>& copies_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table{
      {"exclude_modules", Use::Read, ""},
      {"modules_to_save", Use::Read, ""},
      {"target_modules", Use::Read, ""},
  };
  return table;
}

Result<AdapterSettings> read_copies_settings(const Json& config, const std::string& where) {
  AdapterSettings settings;
  LUTHIER_CHECK(read_module_settings(config, where, settings));
  return settings;
}

Json write_copies_settings(const AdapterSettings& settings) {
  Json config = common_json();
  write_module_settings(settings, config);
  return config;
}

}  // namespace luthier
