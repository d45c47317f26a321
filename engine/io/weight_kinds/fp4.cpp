// SPDX-License-Identifier: GPL-3.0-or-later
// FP4 as bitsandbytes stores it: a sign, two bits of exponent, one of fraction.
#include "engine/io/weight_kinds/bnb_4bit.h"

namespace luthier {

const WeightKind& fp4_weight_kind() {
  static const WeightKind kind{
      "fp4",
      "load_in_4bit with bnb_4bit_quant_type fp4",
      [](const Json& settings) { return bnb_4bit::meant(settings, "fp4"); },
      bnb_4bit::check,
      bnb_4bit::bytes,
      bnb_4bit::beside(".quant_state.bitsandbytes__fp4"),
      {"bnb_4bit_use_double_quant"},
      [](const Json& settings) { return bnb_4bit::written(settings, "fp4"); }};
  return kind;
}

}  // namespace luthier
