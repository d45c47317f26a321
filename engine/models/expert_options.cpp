// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/expert_options.h"

#include <algorithm>
#include <cmath>

#include "engine/models/config_numbers.h"

namespace luthier {

namespace {

constexpr std::int64_t kMostExperts = 1 << 16, kWidestExpert = 1 << 22;

/// Layers without experts. A number that no layer has says nothing, as in transformers.
Result<std::vector<std::int64_t>> read_dense_layers(const Json& config, const std::string& where) {
  const auto found = config.find("mlp_only_layers");
  if (found == config.end() || found->is_null()) return std::vector<std::int64_t>();
  const bool list =
      found->is_array() && std::all_of(found->begin(), found->end(),
                                       [](const Json& n) { return n.is_number_integer(); });
  if (!list)
    return input_error("A list of layer numbers is expected.", where + ": mlp_only_layers");
  return found->get<std::vector<std::int64_t>>();
}

/// The number of experts and which layers have them; false: none has.
Result<bool> read_layers_with_experts(const Json& config, const std::string& where,
                                      const ExpertDefaults& defaults, std::int64_t layers,
                                      ExpertOptions& o) {
  const bool local = !defaults.every_layer && config.contains("num_local_experts");
  // transformers writes the first and reads both.
  const char* key = local ? "num_local_experts" : "num_experts";
  LUTHIER_TRY(o.count, json_int(config, key, where, defaults.count));
  LUTHIER_CHECK(in_range(o.count, defaults.every_layer ? 1 : 0, kMostExperts, where, key));
  if (defaults.every_layer) {
    o.sparse.assign(static_cast<std::size_t>(layers), true);
    return true;
  }
  LUTHIER_TRY(const std::int64_t step, json_int(config, "decoder_sparse_step", where, 1));
  LUTHIER_CHECK(in_range(step, 1, 1 << 16, where, "decoder_sparse_step"));
  LUTHIER_TRY(const std::vector<std::int64_t> dense, read_dense_layers(config, where));
  bool any = false;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const bool out = std::find(dense.begin(), dense.end(), layer) != dense.end();
    o.sparse.push_back(o.count > 0 && !out && (layer + 1) % step == 0);
    any = any || o.sparse.back();
  }
  return any;
}

}  // namespace

Result<std::optional<ExpertOptions>> read_expert_options(const Json& config,
                                                         const std::string& where,
                                                         const ExpertDefaults& defaults,
                                                         std::int64_t layers) {
  ExpertOptions o;
  LUTHIER_TRY(const bool any, read_layers_with_experts(config, where, defaults, layers, o));
  if (!any) return std::optional<ExpertOptions>();
  LUTHIER_TRY(o.each, json_int(config, "num_experts_per_tok", where, defaults.each));
  LUTHIER_CHECK(in_range(o.each, 1, o.count, where, "num_experts_per_tok"));
  LUTHIER_TRY(o.intermediate_size,
              json_int(config, "moe_intermediate_size", where, defaults.intermediate_size));
  LUTHIER_CHECK(in_range(o.intermediate_size, 1, kWidestExpert, where, "moe_intermediate_size"));
  if (defaults.shared_intermediate_size > 0) {
    const char* width = "shared_expert_intermediate_size";
    LUTHIER_TRY(o.shared_intermediate_size,
                json_int(config, width, where, defaults.shared_intermediate_size));
    LUTHIER_CHECK(in_range(o.shared_intermediate_size, 1, kWidestExpert, where, width));
  }
  LUTHIER_TRY(o.router_aux_loss_coef,
              json_number(config, "router_aux_loss_coef", where, defaults.router_aux_loss_coef));
  if (!std::isfinite(o.router_aux_loss_coef))
    return input_error("A finite number is expected.", where + ": router_aux_loss_coef");
  o.tells_routing = defaults.tells_routing || config.contains("output_router_logits");
  return std::optional(o);
}

}  // namespace luthier
