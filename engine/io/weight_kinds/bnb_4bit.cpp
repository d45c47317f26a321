// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/weight_kinds/bnb_4bit.h"

#include <algorithm>
#include <array>

namespace luthier::bnb_4bit {

namespace {

bool is_true(const Json& settings, const char* key) {
  const auto found = settings.find(key);
  return found != settings.end() && found->is_boolean() && found->get<bool>();
}

/// A text that may be left out; one of another type is told apart from every text.
std::string text(const Json& settings, const char* key, const char* fallback) {
  const auto found = settings.find(key);
  if (found == settings.end() || found->is_null()) return fallback;
  return found->is_string() ? found->get<std::string>() : found->dump();
}

constexpr std::array<std::string_view, 4> kComputeTypes{"float32", "bfloat16", "float16", "auto"};

}  // namespace

bool meant(const Json& settings, const char* type) {
  return text(settings, "quant_method", "bitsandbytes") == "bitsandbytes" &&
         (is_true(settings, "load_in_4bit") || is_true(settings, "_load_in_4bit")) &&
         text(settings, "bnb_4bit_quant_type", "fp4") == type;
}

Status check(const Json& settings, const std::string& where) {
  const std::string storage = text(settings, "bnb_4bit_quant_storage", "uint8");
  if (storage != "uint8") {
    return input_error("Packed numbers that are stored as " + storage + " are not read.",
                       where + ": bnb_4bit_quant_storage", "Only uint8 is.");
  }
  const std::string type = text(settings, "bnb_4bit_compute_dtype", "float32");
  if (std::find(kComputeTypes.begin(), kComputeTypes.end(), type) == kComputeTypes.end()) {
    return input_error("Products cannot be computed in " + type + ".",
                       where + ": bnb_4bit_compute_dtype",
                       "Known: float32, bfloat16, float16, auto.");
  }
  return {};
}

bool double_quant(const Json& settings) { return is_true(settings, "bnb_4bit_use_double_quant"); }

std::int64_t bytes(std::int64_t rows, std::int64_t cols, const Json& settings) {
  const std::int64_t numbers = rows * cols, scales = (numbers + kBlock - 1) / kBlock;
  const std::int64_t packed = (numbers + 1) / 2;
  if (!double_quant(settings)) return packed + scales * 4;
  return packed + scales + (scales + kNestedBlock - 1) / kNestedBlock * 4;
}

std::vector<std::string_view> beside(const char* state) {
  return {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", state};
}

Json written(const Json& settings, const char* type) {
  const auto list = settings.find("llm_int8_skip_modules");
  const bool four = type != nullptr;
  return {{"_load_in_4bit", four},
          {"_load_in_8bit", false},
          {"bnb_4bit_compute_dtype",
           four ? text(settings, "bnb_4bit_compute_dtype", "float32") : std::string("float32")},
          {"bnb_4bit_quant_storage", "uint8"},
          {"bnb_4bit_quant_type", four ? type : "fp4"},
          {"bnb_4bit_use_double_quant", four && double_quant(settings)},
          {"llm_int8_enable_fp32_cpu_offload", false},
          {"llm_int8_has_fp16_weight", false},
          {"llm_int8_skip_modules", list == settings.end() ? Json(nullptr) : *list},
          {"llm_int8_threshold", 6.0},
          {"load_in_4bit", four},
          {"load_in_8bit", false},
          {"quant_method", "bitsandbytes"}};
}

}  // namespace luthier::bnb_4bit
