// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/hub/quantized.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "engine/base/utf8.h"
#include "engine/io/weight_kinds.h"

namespace luthier {

namespace {

struct MethodName {
  const char *method, *name;
};
constexpr MethodName kMethods[] = {{"bitsandbytes", "bitsandbytes"},
                                   {"gptq", "GPTQ"},
                                   {"awq", "AWQ"},
                                   {"fp8", "FP8"},
                                   {"fbgemm_fp8", "FP8"},
                                   {"finegrained_fp8", "FP8"},
                                   {"compressed-tensors", "compressed-tensors"},
                                   {"aqlm", "AQLM"},
                                   {"hqq", "HQQ"},
                                   {"auto-round", "AutoRound"},
                                   {"mxfp4", "MXFP4"},
                                   {"modelopt", "ModelOpt"},
                                   {"exl2", "EXL2"},
                                   {"exl3", "EXL3"}};

/// What the names of tensors end in, by method. GPTQ and AWQ share theirs but for g_idx.
constexpr MethodName kEnds[] = {{".absmax", "bitsandbytes, 4 bit"},
                                {".quant_map", "bitsandbytes, 4 bit"},
                                {".SCB", "bitsandbytes, 8 bit"},
                                {".g_idx", "GPTQ"},
                                {".qweight", "GPTQ or AWQ"},
                                {".qzeros", "GPTQ or AWQ"},
                                {".weight_packed", "compressed-tensors"},
                                {".weight_scale_inv", "FP8"},
                                {".codebooks", "AQLM"},
                                {"_blocks", "MXFP4"}};

bool is_plain(DType dtype) {
  return dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F32 || dtype == DType::F64;
}

const Json* object_in(const Json& config, const char* key) {
  if (!config.is_object()) return nullptr;
  const auto found = config.find(key);
  return found != config.end() && found->is_object() ? &*found : nullptr;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  const std::string text = found->get<std::string>();
  return is_utf8(text) ? shortened(text, 40) : std::string();
}

std::string bits_of(const Json& settings) {
  const auto is_true = [&](const char* key) {
    return settings.contains(key) && settings[key] == true;
  };
  if (is_true("load_in_4bit") || is_true("_load_in_4bit")) return ", 4 bit";
  if (is_true("load_in_8bit") || is_true("_load_in_8bit")) return ", 8 bit";
  const auto bits = settings.find("bits");
  if (bits == settings.end() || !bits->is_number_integer()) return {};
  const auto count = bits->get<std::int64_t>();
  return count >= 1 && count <= 16 ? ", " + std::to_string(count) + " bit" : std::string();
}

}  // namespace

Json quantization_settings(const Json& config) {
  const Json* text = object_in(config, "text_config");
  for (const Json* where : {&config, text ? text : &config}) {
    for (const char* key : {"quantization_config", "compression_config"}) {
      if (const Json* settings = object_in(*where, key)) return *settings;
    }
  }
  return {};
}

std::string quantization_method(const Json& config) {
  const Json settings = quantization_settings(config);
  if (!settings.is_object()) return {};
  std::string method = text_of(settings, "quant_method");
  const std::string bits = bits_of(settings);
  if (method.empty() && (settings.contains("load_in_4bit") || settings.contains("load_in_8bit")))
    method = "bitsandbytes";
  for (const MethodName& known : kMethods) {
    if (method == known.method) return known.name + bits;
  }
  return (method.empty() ? "a method that config.json does not name" : method) + bits;
}

std::optional<QuantizedTensor> quantized_tensor(const CheckpointFiles& files, const Json& config) {
  std::map<DType, std::uint64_t> elements;
  std::optional<QuantizedTensor> by_name, by_type;
  const auto known = find_weight_kind(quantization_settings(config), "");
  const WeightKind* kind = known ? *known : nullptr;
  const auto is_known = [&](const std::string& name) {
    return kind && (part_of_weight(name, *kind) ||
                    files.tensors().contains(part_name(name, kind->beside.front(), *kind)));
  };
  for (const auto& [name, info] : files.tensors()) {
    if (is_known(name)) continue;
    elements[info.dtype] += static_cast<std::uint64_t>(info.elements());
    if (!by_name && name.find(".quant_state.") != std::string::npos)
      by_name = {name, "bitsandbytes, 4 bit"};
    for (const MethodName& end : kEnds) {
      if (!by_name && name.ends_with(end.method) &&
          (std::string_view(end.method) != "_blocks" || info.dtype == DType::U8)) {
        by_name = {name, end.name};
      }
    }
    const bool weight = name.ends_with("weight") && info.shape.size() >= 2;
    if (!by_type && weight && !is_plain(info.dtype)) {
      const bool fp8 = info.dtype == DType::F8_E4M3 || info.dtype == DType::F8_E5M2;
      by_type = {name, fp8 ? "FP8" : "stored as " + dtype_name(info.dtype)};
    }
  }
  if (by_name) return by_name;
  if (by_type) return by_type;
  const auto most =
      std::max_element(elements.begin(), elements.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == elements.end() || most->second == 0 || is_plain(most->first)) return {};
  for (const auto& [name, info] : files.tensors()) {
    if (info.dtype == most->first && !is_known(name))
      return QuantizedTensor{name, "stored as " + dtype_name(info.dtype)};
  }
  return {};
}

Error quantized_error(const std::string& method, const std::string& where) {
  return input_error(
      "The weights are quantized (" + method + "), a kind that Luthier does not read.", where,
      "Get the same model in float16, bfloat16 or float32; the model card of a quantized one names "
      "it.");
}

}  // namespace luthier
