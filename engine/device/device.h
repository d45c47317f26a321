// SPDX-License-Identifier: GPL-3.0-or-later
// Which device computes and in which type, by the names that recipes and the command line use; and
// LibTorch's types as safetensors files name them.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/device/torch.h"
#include "engine/io/safetensors.h"

namespace luthier {

/// The recipe's training.device on this machine, by the rules of card_choice.h: "auto" and "cuda"
/// take the card with most free memory, and "auto" the CPU where no card can be used. What a person
/// should know of the choice is logged once (and is device_note's, device_facts.h).
Result<torch::Device> choose_device(const std::string& name);
/// The recipe's training.dtype there: "auto" → bfloat16 on a card that has it, else float32.
Result<torch::ScalarType> choose_dtype(const std::string& name, torch::Device device);

/// Conversions between LibTorch's and the file format's dtypes.
torch::ScalarType scalar_type(DType dtype);
DType file_dtype(torch::ScalarType type);

}  // namespace luthier
