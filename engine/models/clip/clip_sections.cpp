// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/clip/clip_sections.h"

#include "engine/models/tower_model.h"

namespace luthier {

Result<Json> clip_section(const Json& config, const std::string& key, const std::string& where) {
  const auto older = config.find(key + "_dict");
  const bool old = older != config.end() && !older->is_null();
  return config_section(config, (old ? key + "_dict" : key).c_str(), where);
}

}  // namespace luthier
