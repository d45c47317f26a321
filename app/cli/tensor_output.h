// SPDX-License-Identifier: GPL-3.0-or-later
// Results that are tensors: one safetensors file, which appears when all of it is written.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/models/tensor_file.h"

namespace luthier::cli {

Status write_tensors(const std::string& path, const NamedTensors& tensors);

}  // namespace luthier::cli
