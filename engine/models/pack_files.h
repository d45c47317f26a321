// SPDX-License-Identifier: GPL-3.0-or-later
// Packed weights on disk: a checkpoint folder as transformers and its quantizer would save it, and
// a file whose tensors are packed one by one, whatever they are.
#pragma once

#include <filesystem>
#include <functional>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct PackFiles {
  Json settings;             ///< as a checkpoint's quantization_config has them
  bool dequantized = false;  ///< X.dequantized, what its packed numbers stand for, beside each X
  std::function<bool()> go_on;
};

/// Writes `out`, which is new or empty. The linears that loading under these settings would pack
/// are packed; everything else is stored in the type that config.json names.
Status pack_checkpoint(const std::filesystem::path& model, const std::filesystem::path& out,
                       const PackFiles& how);
/// Every tensor of a safetensors file, which must be of floating point.
Status pack_file(const std::filesystem::path& file, const std::filesystem::path& out,
                 const PackFiles& how);

}  // namespace luthier
