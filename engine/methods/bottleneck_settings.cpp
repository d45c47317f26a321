// SPDX-License-Identifier: GPL-3.0-or-later
// Bottleneck adapters without a tensor: AdapterHub's adapter_config.json.
#include <array>

#include "engine/methods/bottleneck.h"

namespace luthier {

namespace {

constexpr const char* kAdapterName = "default";

/// AdapterHub's BnConfig with what the two places differ in.
Json layout_of(bool houlsby) {
  return {{"mh_adapter", houlsby},
          {"output_adapter", true},
          {"original_ln_before", !houlsby},
          {"original_ln_after", true},
          {"residual_before_ln", true},
          {"adapter_residual_before_ln", false},
          {"ln_before", false},
          {"ln_after", false},
          {"cross_adapter", false},
          {"dropout", 0.0},
          {"inv_adapter", nullptr},
          {"is_parallel", false},
          {"phm_layer", false},
          {"scaling", 1.0},
          {"stochastic_depth", 0.0},
          {"use_gating", false}};
}

bool fits(const Json& config, const Json& layout) {
  for (const auto& [key, value] : layout.items()) {
    const auto found = config.find(key);
    if (found != config.end() && *found != value) return false;
  }
  return true;
}

}  // namespace

Json write_bottleneck_settings(const AdapterSettings& settings) {
  const bool houlsby = settings.more.text("adapter.config") == "houlsby";
  Json config = layout_of(houlsby);
  config["architecture"] = nullptr;
  config["init_weights"] = "bert";
  config["leave_out"] = Json::array();
  config["non_linearity"] = settings.more.text("adapter.non_linearity");
  config["reduction_factor"] = settings.more.integer("adapter.reduction_factor");
  return {{"config", config}, {"name", kAdapterName}};
}

Result<AdapterSettings> read_bottleneck_settings(const Json& config, const std::string& where) {
  const auto inner = config.find("config");
  if (inner == config.end() || !inner->is_object())
    return input_error("An object is expected.", where + ": config");
  LUTHIER_TRY(const std::string name, json_string(config, "name", where, kAdapterName));
  if (name != kAdapterName) {
    return input_error("The adapter is called \"" + name + "\", only \"default\" is read.",
                       where + ": name", "Save it under the name default.");
  }
  const bool houlsby = fits(*inner, layout_of(true));
  if (!houlsby && !fits(*inner, layout_of(false))) {
    return input_error("The networks stand or compute otherwise than houlsby's and pfeiffer's do.",
                       where + ": config", "Only these two are known.");
  }
  Json own{{"config", houlsby ? "houlsby" : "pfeiffer"}};
  for (const char* key : {"non_linearity", "reduction_factor"}) {
    if (const auto found = inner->find(key); found != inner->end()) own[key] = *found;
  }
  AdapterSettings settings;
  LUTHIER_CHECK(read_own_settings(method_kind("bottleneck"), own, where + ": config", settings));
  return settings;
}

}  // namespace luthier
