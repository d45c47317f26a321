// SPDX-License-Identifier: GPL-3.0-or-later
// A text config's layers by the gated delta rule: which ones, and of what sizes.
#include "engine/models/config_numbers.h"
#include "engine/models/delta_net.h"

namespace luthier {

namespace {

/// Older files say "mamba" for layers that carry a state, and "attention" for the others.
Result<bool> is_linear(const Json& type, const std::string& where) {
  if (type == "linear_attention" || type == "mamba" || type == "conv") return true;
  if (type == "full_attention" || type == "attention") return false;
  return input_error("The layer type " + type.dump() + " is not known.", where + ": layer_types",
                     "Known are full_attention and linear_attention.");
}

Result<std::vector<bool>> read_linear_layers(const Json& config, const std::string& where,
                                             std::int64_t layers) {
  std::vector<bool> linear;
  const auto types = config.find("layer_types");
  if (types == config.end() || types->is_null()) {
    LUTHIER_TRY(const std::int64_t interval, json_int(config, "full_attention_interval", where, 4));
    LUTHIER_CHECK(in_range(interval, 1, 1 << 16, where, "full_attention_interval"));
    for (std::int64_t i = 0; i < layers; ++i) linear.push_back((i + 1) % interval != 0);
    return linear;
  }
  if (!types->is_array())
    return input_error("A list of layer types is expected.", where + ": layer_types");
  if (static_cast<std::int64_t>(types->size()) != layers) {
    return input_error("There are " + std::to_string(types->size()) + " layer types for " +
                           std::to_string(layers) + " layers.",
                       where + ": layer_types");
  }
  for (const Json& type : *types) {
    LUTHIER_TRY(const bool found, is_linear(type, where));
    linear.push_back(found);
  }
  return linear;
}

}  // namespace

Result<std::optional<DeltaOptions>> read_delta_options(const Json& config, const std::string& where,
                                                       std::int64_t layers) {
  DeltaOptions o;
  LUTHIER_TRY(o.linear, read_linear_layers(config, where, layers));
  bool any = false;
  for (const bool each : o.linear) any = any || each;
  if (!any) return std::optional<DeltaOptions>();
  DeltaSizes& s = o.sizes;
  s = {16, 32, 128, 128};
  LUTHIER_CHECK(read_in_range(config, "linear_num_key_heads", where, 1, 1 << 12, s.key_heads));
  LUTHIER_CHECK(read_in_range(config, "linear_num_value_heads", where, 1, 1 << 12, s.value_heads));
  LUTHIER_CHECK(read_in_range(config, "linear_key_head_dim", where, 1, 1 << 12, s.key_dim));
  LUTHIER_CHECK(read_in_range(config, "linear_value_head_dim", where, 1, 1 << 12, s.value_dim));
  LUTHIER_CHECK(read_in_range(config, "linear_conv_kernel_dim", where, 1, 1 << 10, o.kernel));
  if (s.value_heads % s.key_heads != 0) {
    return input_error("linear_num_value_heads (" + std::to_string(s.value_heads) +
                           ") is not a multiple of linear_num_key_heads (" +
                           std::to_string(s.key_heads) + ").",
                       where + ": linear_num_value_heads");
  }
  return std::optional(o);
}

}  // namespace luthier
