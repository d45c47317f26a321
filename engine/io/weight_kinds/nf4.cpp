// SPDX-License-Identifier: GPL-3.0-or-later
// NF4 (Dettmers et al. 2023, QLoRA) as bitsandbytes stores it.
#include "engine/io/weight_kinds/bnb_4bit.h"

namespace luthier {

const WeightKind& nf4_weight_kind() {
  static const WeightKind kind{
      "nf4",
      "load_in_4bit with bnb_4bit_quant_type nf4",
      [](const Json& settings) { return bnb_4bit::meant(settings, "nf4"); },
      bnb_4bit::check,
      bnb_4bit::bytes,
      bnb_4bit::beside(".quant_state.bitsandbytes__nf4"),
      {"bnb_4bit_use_double_quant"},
      [](const Json& settings) { return bnb_4bit::written(settings, "nf4"); }};
  return kind;
}

}  // namespace luthier
