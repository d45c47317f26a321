// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/weight_kinds/bnb_state.h"

#include <array>
#include <cmath>
#include <utility>

namespace luthier::bnb_4bit {

namespace {

constexpr std::array<std::string_view, 3> kTypesBefore{"float32", "bfloat16", "float16"};

Result<std::vector<std::int64_t>> read_shape(const Json& json, const std::string& where) {
  const auto found = json.find("shape");
  std::vector<std::int64_t> shape;
  bool good = found != json.end() && found->is_array() && found->size() <= 8;
  if (good) {
    for (const Json& size : *found) {
      good = good && size.is_number_integer() && size >= 0 && size <= std::int64_t{1} << 40;
      if (good) shape.push_back(size.get<std::int64_t>());
    }
  }
  if (good) return shape;
  return input_error("The weight's sizes are expected.", where + ": shape");
}

}  // namespace

Result<State> parse_state(std::string_view text, const char* type, const std::string& where) {
  LUTHIER_TRY(const Json json, parse_json(std::string(text), where));
  if (!json.is_object()) return input_error("An object is expected.", where);
  State state;
  LUTHIER_TRY(state.block, json_int(json, "blocksize", where));
  if (json.contains("nested_offset")) {
    LUTHIER_TRY(state.nested_block, json_int(json, "nested_blocksize", where));
    LUTHIER_TRY(state.offset, json_number(json, "nested_offset", where, 0));
    if (!std::isfinite(static_cast<float>(*state.offset)))
      return input_error("A number of float32 is expected.", where + ": nested_offset");
  }
  for (const auto& [key, size] : {std::pair("blocksize", state.block),
                                  std::pair("nested_blocksize", state.nested_block)}) {
    if (size < 32 || size > 4096 || (size & (size - 1)) != 0) {
      return input_error("Blocks of " + std::to_string(size) + " numbers are not known.",
                         where + ": " + key, "They hold 32 to 4096, a power of two.");
    }
  }
  LUTHIER_TRY(const std::string kind, json_string(json, "quant_type", where));
  if (kind != type) {
    return input_error("The weight is said to be " + kind + ", and its name says " + type + ".",
                       where + ": quant_type");
  }
  LUTHIER_TRY(state.dtype, json_string(json, "dtype", where));
  bool known = false;
  for (const std::string_view each : kTypesBefore) known = known || state.dtype == each;
  if (!known)
    return input_error("Weights that were " + state.dtype + " before are not read.",
                       where + ": dtype");
  LUTHIER_TRY(state.shape, read_shape(json, where));
  return state;
}

std::string state_text(const State& state, const char* type) {
  std::string sizes, text = "{\"quant_type\": \"";
  for (const std::int64_t size : state.shape)
    sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  text.append(type).append("\", \"blocksize\": ").append(std::to_string(state.block));
  text.append(", \"dtype\": \"").append(state.dtype).append("\", \"shape\": [").append(sizes);
  text += "]";
  if (state.offset) {
    text.append(", \"nested_blocksize\": ").append(std::to_string(state.nested_block));
    text.append(", \"nested_dtype\": \"float32\", \"nested_offset\": ");
    text.append(Json(*state.offset).dump());
  }
  return text + "}";
}

}  // namespace luthier::bnb_4bit
