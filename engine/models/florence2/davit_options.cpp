// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/florence2/davit_options.h"

#include "engine/models/config_numbers.h"

namespace luthier::florence2 {

namespace {

constexpr std::int64_t kMostStages = 16;

/// config[key] as a list of whole numbers, one a stage (0: as many as there are), each from `low`
/// on; what `standard` says where it is absent.
Result<std::vector<std::int64_t>> read_list(const Json& config, const char* key,
                                            const std::string& where,
                                            std::vector<std::int64_t> standard, std::size_t stages,
                                            std::int64_t low, std::int64_t high) {
  std::vector<std::int64_t> numbers = std::move(standard);
  if (const auto found = config.find(key); found != config.end() && !found->is_null()) {
    if (!found->is_array() || found->empty() ||
        found->size() > static_cast<std::size_t>(kMostStages)) {
      return input_error("A list of numbers is expected, one a stage.", where + ": " + key);
    }
    numbers.clear();
    for (const Json& each : *found) {
      if (!each.is_number_integer())
        return input_error("A list of numbers is expected, one a stage.", where + ": " + key);
      numbers.push_back(each.get<std::int64_t>());
    }
  }
  if (stages > 0 && numbers.size() < stages) {
    return input_error("The tower has " + std::to_string(stages) + " stages, and here are " +
                           std::to_string(numbers.size()) + " numbers.",
                       where + ": " + key);
  }
  for (const std::int64_t number : numbers) LUTHIER_CHECK(in_range(number, low, high, where, key));
  return numbers;
}

Result<std::vector<bool>> read_norms(const Json& config, const std::string& where,
                                     std::size_t stages) {
  const auto found = config.find("patch_prenorm");
  if (found == config.end() || found->is_null()) {
    std::vector<bool> standard(std::max<std::size_t>(stages, 1), true);
    standard[0] = false;
    return standard;
  }
  const std::string at = where + ": patch_prenorm";
  if (!found->is_array() || found->size() < stages)
    return input_error("A list of true and false is expected, one a stage.", at);
  std::vector<bool> norms;
  for (const Json& each : *found) {
    if (!each.is_boolean())
      return input_error("A list of true and false is expected, one a stage.", at);
    norms.push_back(each.get<bool>());
  }
  return norms;
}

}  // namespace

std::int64_t windows_along(std::int64_t side, const StageSizes& stage) {
  const std::int64_t room = side + 2 * stage.padding - stage.patch;
  return side < 1 || room < 0 ? 0 : room / stage.stride + 1;
}

std::int64_t DavitOptions::side_of(std::int64_t pixels) const {
  for (const StageSizes& stage : stages) pixels = windows_along(pixels, stage);
  return pixels;
}

Result<DavitOptions> read_davit_options(const Json& config, const std::string& where) {
  DavitOptions o;
  LUTHIER_TRY(const std::string type, json_string(config, "model_type", where, "florence_vision"));
  if (type != "florence_vision") {
    return input_error("A tower of type " + type + " is not this family's as transformers has it.",
                       where + ": model_type",
                       "Take a folder that was made for transformers, without code of its own.");
  }
  LUTHIER_TRY(const auto widths,
              read_list(config, "embed_dim", where, {128, 256, 512, 1024}, 0, 1, 1 << 16));
  const std::size_t count = widths.size();
  const auto list = [&](const char* key, std::vector<std::int64_t> standard, std::int64_t low,
                        std::int64_t high) {
    return read_list(config, key, where, std::move(standard), count, low, high);
  };
  LUTHIER_TRY(const auto depths, list("depths", {1, 1, 9, 1}, 0, 1024));
  LUTHIER_TRY(const auto patches, list("patch_size", {7, 3, 3, 3}, 1, 256));
  LUTHIER_TRY(const auto strides, list("patch_stride", {4, 2, 2, 2}, 1, 256));
  LUTHIER_TRY(const auto paddings, list("patch_padding", {3, 1, 1, 1}, 0, 256));
  LUTHIER_TRY(const auto heads, list("num_heads", {4, 8, 16, 32}, 1, 1 << 16));
  LUTHIER_TRY(const auto groups, list("num_groups", {4, 8, 16, 32}, 1, 1 << 16));
  LUTHIER_TRY(const auto norms, read_norms(config, where, count));
  // transformers asks for as many of these two, and leaves what the other lists have beyond.
  for (const auto& [key, numbers] : {std::pair{"num_heads", &heads}, {"num_groups", &groups}}) {
    if (numbers->size() != count)
      return input_error("The tower has " + std::to_string(count) + " stages, and here are " +
                             std::to_string(numbers->size()) + " numbers.",
                         where + ": " + key);
  }
  for (std::size_t i = 0; i < count; ++i) {
    StageSizes stage{depths[i], patches[i], strides[i], paddings[i],
                     widths[i], heads[i],   groups[i],  norms[i]};
    for (const auto& [key, parts] :
         {std::pair{"num_heads", stage.heads}, {"num_groups", stage.groups}}) {
      if (stage.width % parts != 0)
        return input_error("embed_dim " + std::to_string(stage.width) + " is no multiple of " +
                               std::to_string(parts) + ".",
                           where + ": " + key);
    }
    o.stages.push_back(stage);
  }
  if (o.width() % 2 != 0) {
    return input_error("The last width is " + std::to_string(o.width()) +
                           ", which sines and cosines cannot share.",
                       where + ": embed_dim");
  }
  LUTHIER_CHECK(read_in_range(config, "in_channels", where, 3, 3, o.channels));
  LUTHIER_CHECK(read_in_range(config, "window_size", where, 1, 1 << 12, o.window));
  LUTHIER_CHECK(read_in_range(config, "projection_dim", where, 1, 1 << 20, o.projection_dim));
  LUTHIER_CHECK(read_in_range(config, "max_position_embeddings", where, 1, 1 << 16, o.places));
  LUTHIER_CHECK(read_in_range(config, "max_temporal_embeddings", where, 1, 1 << 16, o.moments));
  LUTHIER_TRY(o.mlp_ratio, json_number(config, "mlp_ratio", where, o.mlp_ratio));
  for (const StageSizes& stage : o.stages) {
    if (o.mlp_ratio > 0 && o.mlp_ratio <= 64 && o.wide(stage) >= 1) continue;
    return input_error("The MLPs would have no width that can be built.", where + ": mlp_ratio");
  }
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  LUTHIER_TRY(o.qkv_bias, json_bool(config, "qkv_bias", where, true));
  LUTHIER_TRY(const std::string act, json_string(config, "activation_function", where, "gelu"));
  LUTHIER_TRY(o.activation, parse_activation(act, where + ": activation_function"));
  return o;
}

}  // namespace luthier::florence2
