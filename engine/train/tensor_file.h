// SPDX-License-Identifier: GPL-3.0-or-later
// Named tensors to one safetensors file and back, for checkpoints. What is read has memory of its
// own.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/base/result.h"
#include "engine/device/torch.h"

namespace luthier {

Status write_tensor_file(const std::filesystem::path& path,
                         const std::map<std::string, torch::Tensor>& tensors);
/// On the CPU, as they are stored.
Result<std::map<std::string, torch::Tensor>> read_tensor_file(const std::filesystem::path& path);

}  // namespace luthier
