// SPDX-License-Identifier: GPL-3.0-or-later
// AWQ checkpoints (Lin et al. 2023) of four bits, as AutoAWQ writes them for products of matrices.
#include "engine/io/weight_kinds/grouped_4bit.h"

namespace luthier {

const WeightKind& awq_weight_kind() {
  static const WeightKind kind{
      "awq",
      "quant_method awq of 4 bits",
      [](const Json& settings) { return settings.value("quant_method", Json()) == "awq"; },
      [](const Json& settings, const std::string& where) {
        return grouped_4bit::check(settings, where, {"version", "format"}, {"gemm", "GEMM"});
      },
      grouped_4bit::bytes,
      {".qweight", ".qzeros", ".scales"},
      {},
      nullptr,
      /*behind_module=*/true,
      ".qweight"};
  return kind;
}

}  // namespace luthier
