// SPDX-License-Identifier: GPL-3.0-or-later
// Eight bits a number as bitsandbytes stores them (LLM.int8, Dettmers et al. 2022): each row by its
// largest magnitude. Which columns of x are outliers is no property of the file.
#include <cmath>

#include "engine/io/weight_kinds/bnb_4bit.h"

namespace luthier {

namespace {

bool switched_on(const Json& settings, const char* key) {
  const auto found = settings.find(key);
  return found != settings.end() && found->is_boolean() && found->get<bool>();
}

Status check_int8(const Json& settings, const std::string& where) {
  if (switched_on(settings, "llm_int8_has_fp16_weight")) {
    return input_error("Weights that stay float16 and are packed anew in each step are not read.",
                       where + ": llm_int8_has_fp16_weight", "Only false is.");
  }
  const auto threshold = settings.find("llm_int8_threshold");
  const bool given = threshold != settings.end() && !threshold->is_null();
  if (given && (!threshold->is_number() || !std::isfinite(threshold->get<double>()) ||
                threshold->get<double>() < 0)) {
    return input_error("A number from 0 on is expected.", where + ": llm_int8_threshold");
  }
  return {};
}

Json written_int8(const Json& settings) {
  Json all = bnb_4bit::written(settings, nullptr);
  all["load_in_8bit"] = all["_load_in_8bit"] = true;
  const auto threshold = settings.find("llm_int8_threshold");
  if (threshold != settings.end() && threshold->is_number())
    all["llm_int8_threshold"] = threshold->get<double>();
  return all;
}

}  // namespace

const WeightKind& int8_weight_kind() {
  static const WeightKind kind{
      "int8",
      "load_in_8bit",
      [](const Json& settings) {
        return settings.value("quant_method", Json("bitsandbytes")) == "bitsandbytes" &&
               (switched_on(settings, "load_in_8bit") || switched_on(settings, "_load_in_8bit"));
      },
      check_int8,
      [](std::int64_t rows, std::int64_t cols, const Json&) { return rows * cols + rows * 4; },
      {".SCB", ".weight_format"},
      {},
      written_int8,
      /*behind_module=*/true};
  return kind;
}

}  // namespace luthier
