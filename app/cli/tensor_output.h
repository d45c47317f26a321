// SPDX-License-Identifier: GPL-3.0-or-later
// Results that are tensors: one safetensors file, which appears when all of it is written.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"

namespace luthier::cli {

Status write_tensors(const std::string& path,
                     std::vector<std::pair<std::string, torch::Tensor>> tensors);

}  // namespace luthier::cli
