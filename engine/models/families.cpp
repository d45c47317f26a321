// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/families.h"

#include "engine/io/timm_config.h"

namespace luthier {

const std::vector<Family>& families() {
#define LUTHIER_ENTRY(name) name##_family,
  static const std::vector<Family> table{LUTHIER_FAMILIES(LUTHIER_ENTRY)};
#undef LUTHIER_ENTRY
  return table;
}

std::vector<LoadableType> loadable_types() {
  std::vector<LoadableType> types;
  for (const Family& family : families())
    types.emplace_back(family.model_type, family.takes_pictures);
  return types;
}

std::string same_name(const std::string& name) { return name; }

Result<const Family*> find_family(const Json& config, const std::string& where) {
  if (!config.is_object()) return input_error("An object is expected.", where);
  LUTHIER_TRY(const std::string type, model_type_of(config, where));
  std::string known;
  for (const Family& family : families()) {
    if (type == family.model_type) return &family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  return input_error("The model_type \"" + type + "\" is not one that Luthier can load.",
                     where + ": model_type", "It loads: " + known + ".");
}

}  // namespace luthier
