// SPDX-License-Identifier: GPL-3.0-or-later
// timm's folders: their config.json has no model_type, but the name of an `architecture` and, as
// `pretrained_cfg`, what its weights expect of pictures. transformers calls them timm_wrapper, and
// so do we.
#pragma once

#include <string>

#include "engine/io/json.h"

namespace luthier {

inline constexpr const char* kTimmModelType = "timm_wrapper";
inline constexpr const char* kTimmPictures = "pretrained_cfg";

/// Whether a config.json is one of timm's folders.
bool is_timm_config(const Json& config);

/// A config.json's model_type, or timm_wrapper of timm's folders. An Input error that names
/// `where`: neither.
Result<std::string> model_type_of(const Json& config, const std::string& where);

}  // namespace luthier
