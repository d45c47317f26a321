// SPDX-License-Identifier: GPL-3.0-or-later
// The one door to the weights of a checkpoint whose modules are known: opened, stored in types that
// are read, of as many layers as config.json names. Who reads tensors for a model comes through
// here, so that none of these questions can be forgotten (tests/structure sees to it).
#pragma once

#include <filesystem>

#include "engine/io/safetensors.h"
#include "engine/models/family.h"

namespace luthier {

/// `shapes`: what `family` makes of `config`, which is the config.json of `folder`; the meta device
/// will do. An Input error names the file and its field or tensor.
Result<CheckpointFiles> open_weights(const std::filesystem::path& folder, const Json& config,
                                     const Family& family, const Model& shapes);

}  // namespace luthier
