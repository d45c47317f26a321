// SPDX-License-Identifier: GPL-3.0-or-later
// NF4's sixteen numbers: what bitsandbytes took for the quantiles of a normal distribution, to the
// last bit.
#include "engine/nn/weights/bnb_4bit.h"

namespace luthier {

const WeightKind& nf4_weight_kind();

namespace {

const bnb_4bit::Codebook& nf4_book() {
  static const bnb_4bit::Codebook book{
      &nf4_weight_kind(),
      {-1.0F, -0.6961928009986877F, -0.5250730514526367F, -0.39491748809814453F,
       -0.28444138169288635F, -0.18477343022823334F, -0.09105003625154495F, 0.0F,
       0.07958029955625534F, 0.16093020141124725F, 0.24611230194568634F, 0.33791524171829224F,
       0.44070982933044434F, 0.5626170039176941F, 0.7229568362236023F, 1.0F}};
  return book;
}

}  // namespace

const WeightPacking& nf4_weight_packing() {
  static const WeightPacking packing = bnb_4bit::packing_of<nf4_book>();
  return packing;
}

}  // namespace luthier
