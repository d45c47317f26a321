// SPDX-License-Identifier: GPL-3.0-or-later
// Whether config.json names as many layers as the files hold. One that names fewer would load, and
// answer without the layers that are left over; one that names more would be told of a tensor that
// is missing, and not of the number that is wrong.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/io/safetensors.h"
#include "engine/models/family.h"

namespace luthier {

/// `shapes` as config.json of `folder` asks for them (on the meta device will do), `tensors` by
/// their stored names. Input error naming the file and its field.
Status check_layers(const Model& shapes, const Family& family,
                    const std::map<std::string, TensorInfo>& tensors, const Json& config,
                    const std::filesystem::path& folder);

}  // namespace luthier
