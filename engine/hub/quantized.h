// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoints whose weights were rounded to a few bits: how config.json and the tensors' names and
// types tell, and what the methods are called.
#pragma once

#include <optional>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"

namespace luthier {

struct QuantizedTensor {
  std::string name, method;
};

/// config.json's quantization_config, or null.
Json quantization_settings(const Json& config);
/// "bitsandbytes, 4 bit", as config.json's quantization_config says; empty where it says nothing.
std::string quantization_method(const Json& config);
/// A tensor that gives it away; nothing where all weights are plain ones, or packed ones of the
/// kind that config.json names and that is known here.
std::optional<QuantizedTensor> quantized_tensor(const CheckpointFiles& files, const Json& config);
Error quantized_error(const std::string& method, const std::string& where);

}  // namespace luthier
