// SPDX-License-Identifier: GPL-3.0-or-later
// Which device computes and in which type, by the names that recipes and the command line use; and
// LibTorch's types as safetensors files name them.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/device/torch.h"
#include "engine/io/safetensors.h"

namespace luthier {

/// "auto" → cuda if a device answers, else cpu; a named CUDA device that is not there is a Machine
/// error.
Result<torch::Device> choose_device(const std::string& name);
/// "auto" → bfloat16 on CUDA, float32 on the CPU.
Result<torch::ScalarType> choose_dtype(const std::string& name, torch::Device device);

/// Conversions between LibTorch's and the file format's dtypes.
torch::ScalarType scalar_type(DType dtype);
DType file_dtype(torch::ScalarType type);

}  // namespace luthier
