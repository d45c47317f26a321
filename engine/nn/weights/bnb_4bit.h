// SPDX-License-Identifier: GPL-3.0-or-later
// Four bits a number as bitsandbytes 0.50 packs them: blocks of 64 along the flattened tensor (the
// last may be short), each with the largest magnitude in it as its scale; the first of two numbers
// is a byte's high half. With double quantization the scales, less their mean, are packed to eight
// bits in blocks of 256. A kind is sixteen numbers between -1 and 1.
#pragma once

#include <array>

#include "engine/nn/packed_weight.h"

namespace luthier::bnb_4bit {

struct Codebook {
  const WeightKind* kind;
  std::array<float, 16> values;  ///< by the four bits, in any order
};

/// As WeightPacking has them.
Result<PackedPointer> pack(const Codebook& book, const torch::Tensor& weight, const Json& settings,
                           const std::string& where);
Result<PackedPointer> read(const Codebook& book, const StoredParts& parts, std::int64_t rows,
                           std::int64_t cols, const Json& settings, const std::string& where);

/// The row of a kind, by the function that has its numbers.
template <const Codebook& (*kBook)()>
WeightPacking packing_of() {
  return {
      kBook().kind,
      [](const torch::Tensor& weight, const Json& settings, const std::string& where) {
        return pack(kBook(), weight, settings, where);
      },
      [](const StoredParts& parts, std::int64_t rows, std::int64_t cols, const Json& settings,
         const std::string& where) { return read(kBook(), parts, rows, cols, settings, where); }};
}

/// Numbers [first, last) of the flattened weight by tensor operations alone, as devices other than
/// the CPU do it; for a test to compare.
torch::Tensor dense_by_operations(const PackedWeight& weight, std::int64_t first, std::int64_t last,
                                  torch::ScalarType dtype);

}  // namespace luthier::bnb_4bit
