// SPDX-License-Identifier: GPL-3.0-or-later
// Packed weights to numbers in one launch. Nothing is made where no kernel runs.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/device/torch.h"

namespace luthier::kernels {

/// Four bits a number, all of it beside the codes.
struct FourBits {
  const torch::Tensor& codes;   // uint8, two numbers a byte
  const torch::Tensor& pairs;   // float32 [256, 2], what the halves of a byte stand for
  const torch::Tensor& scales;  // float32 [blocks], or uint8 [blocks] where they are packed
  const torch::Tensor& nested;  // float32 [blocks of blocks]; undefined: they are not
  const torch::Tensor& map;     // float32 [256]
  float offset = 0;
  std::int64_t block = 64, nested_block = 256;  ///< powers of two
};

/// Numbers [first, last) of the flattened weight as `type`; `first` is a multiple of eight.
std::optional<torch::Tensor> expanded(const FourBits& from, std::int64_t first, std::int64_t last,
                                      torch::ScalarType type);
/// int8 [rows, cols] times each row's scale and `factor`.
std::optional<torch::Tensor> expanded(const torch::Tensor& codes, const torch::Tensor& scales,
                                      float factor, torch::ScalarType type);

}  // namespace luthier::kernels
