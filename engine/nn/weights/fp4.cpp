// SPDX-License-Identifier: GPL-3.0-or-later
// FP4's sixteen numbers, by their bits (sign, two of exponent, one of fraction): zero, 1/16, 8, 12,
// 4, 6, 2, 3, the same below zero, all by the largest. Both zeros are +0; a number goes to the
// second where it is above.
#include "engine/nn/weights/bnb_4bit.h"

namespace luthier {

const WeightKind& fp4_weight_kind();

namespace {

const bnb_4bit::Codebook& fp4_book() {
  static const bnb_4bit::Codebook book{
      &fp4_weight_kind(),
      {0.0F / 12, 0.0625F / 12, 8.0F / 12, 12.0F / 12, 4.0F / 12, 6.0F / 12, 2.0F / 12, 3.0F / 12,
       0.0F / 12, -0.0625F / 12, -8.0F / 12, -12.0F / 12, -4.0F / 12, -6.0F / 12, -2.0F / 12,
       -3.0F / 12}};
  return book;
}

}  // namespace

const WeightPacking& fp4_weight_packing() {
  static const WeightPacking packing = bnb_4bit::packing_of<fp4_book>();
  return packing;
}

}  // namespace luthier
