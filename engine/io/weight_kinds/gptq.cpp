// SPDX-License-Identifier: GPL-3.0-or-later
// GPTQ checkpoints (Frantar et al. 2022) of four bits, as AutoGPTQ and GPTQModel write them.
#include "engine/io/weight_kinds/grouped_4bit.h"

namespace luthier {

const WeightKind& gptq_weight_kind() {
  static const WeightKind kind{
      "gptq",
      "quant_method gptq of 4 bits",
      [](const Json& settings) { return settings.value("quant_method", Json()) == "gptq"; },
      [](const Json& settings, const std::string& where) -> Status {
        if (settings.value("is_marlin_format", Json()) == true) {
          return input_error("The codes lie in an order that is not read: \"marlin\".",
                             where + ": is_marlin_format", "Known: gptq, gptq_v2.");
        }
        const Json order = settings.value("desc_act", Json());
        if (!order.is_null() && !order.is_boolean()) {
          return input_error("true or false is expected, not " + order.dump() + ".",
                             where + ": desc_act");
        }
        return grouped_4bit::check(settings, where, {"checkpoint_format", "format"},
                                   {"gptq", "gptq_v2"});
      },
      [](std::int64_t rows, std::int64_t cols, const Json& settings) {
        return grouped_4bit::bytes(rows, cols, settings) + cols * 4;  // which group a column is of
      },
      {".qweight", ".qzeros", ".scales", ".g_idx"},
      {},
      nullptr,
      /*behind_module=*/true,
      ".qweight"};
  return kind;
}

}  // namespace luthier
