// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/timm_config.h"

namespace luthier {

bool is_timm_config(const Json& config) {
  if (!config.is_object()) return false;
  const auto architecture = config.find("architecture"), pictures = config.find(kTimmPictures);
  return architecture != config.end() && architecture->is_string() && pictures != config.end() &&
         pictures->is_object();
}

Result<std::string> model_type_of(const Json& config, const std::string& where) {
  if (is_timm_config(config) && !config.contains("model_type")) return std::string(kTimmModelType);
  return json_string(config, "model_type", where);
}

}  // namespace luthier
