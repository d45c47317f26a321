// SPDX-License-Identifier: GPL-3.0-or-later
// FP4's sixteen numbers, by their bits (sign, two of exponent, one of fraction): zero, 1/16, 8, 12,
// 4, 6, 2, 3, the same below zero, all by the largest. Both zeros are +0; a number goes to the
// second where it is above.
#include "engine/nn/weights/bnb_4bit.h"

namespace luthier {

const WeightKind& fp4_weight_kind();

const WeightPacking& fp4_weight_packing() {
  static const bnb_4bit::Codebook book{
      &fp4_weight_kind(),
      {0.0F / 12, 0.0625F / 12, 8.0F / 12, 12.0F / 12, 4.0F / 12, 6.0F / 12, 2.0F / 12, 3.0F / 12,
       0.0F / 12, -0.0625F / 12, -8.0F / 12, -12.0F / 12, -4.0F / 12, -6.0F / 12, -2.0F / 12,
       -3.0F / 12}};
  static const WeightPacking packing{
      &fp4_weight_kind(),
      [](const torch::Tensor& weight, const Json& settings, const std::string& where) {
        return bnb_4bit::pack(book, weight, settings, where);
      },
      [](const StoredParts& parts, std::int64_t rows, std::int64_t cols, const Json& settings,
         const std::string& where) {
        return bnb_4bit::read(book, parts, rows, cols, settings, where);
      }};
  return packing;
}

}  // namespace luthier
