// SPDX-License-Identifier: GPL-3.0-or-later
// adapter_config.json of a LoRA, as PEFT 0.21 reads and writes it. Settings that would change the arithmetic and that this program does not
// compute are refused by name, never ignored.
#include <array>

#include "engine/adapters/lora.h"

namespace luthier {

namespace {

/// null, a list of strings or one string.
Result<ModuleSelector> read_selector(const Json& config, const char* key, const std::string& where) {
  ModuleSelector selector;
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return selector;
  if (found->is_string()) {
    selector.regex = found->get<std::string>();
    const bool all = selector.regex == "all-linear";
    selector.kind = all ? ModuleSelector::Kind::AllLinear : ModuleSelector::Kind::Regex;
    if (all) selector.regex.clear();
    return selector;
  }
  if (!found->is_array()) return input_error("A list of names or one pattern is expected.", where + ": " + key);
  selector.kind = ModuleSelector::Kind::Names;
  for (const Json& name : *found) {
    if (!name.is_string()) return input_error("A list of names is expected.", where + ": " + key);
    selector.names.push_back(name.get<std::string>());
  }
  return selector;
}

template <class T>
Result<std::vector<std::pair<std::string, T>>> read_pattern(const Json& config, const char* key, const std::string& where) {
  std::vector<std::pair<std::string, T>> pattern;
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return pattern;
  if (!found->is_object()) return input_error("An object of pattern: number is expected.", where + ": " + key);
  for (const auto& [name, value] : found->items()) {
    if (!value.is_number()) return input_error("A number is expected.", where + ": " + key + "." + name);
    pattern.emplace_back(name, value.template get<T>());
  }
  return pattern;
}

bool means_something(const Json& value) {
  if (value.is_null() || value == false) return false;
  if ((value.is_object() || value.is_array() || value.is_string()) && value.empty()) return false;
  return true;
}

Json selector_json(const ModuleSelector& selector) {
  switch (selector.kind) {
    case ModuleSelector::Kind::None: return nullptr;
    case ModuleSelector::Kind::Names: return selector.names;
    case ModuleSelector::Kind::Regex: return selector.regex;
    case ModuleSelector::Kind::AllLinear: return "all-linear";
  }
  return nullptr;
}

}  // namespace

Result<AdapterSettings> read_lora_settings(const Json& config, const std::string& where) {
  AdapterSettings s;
  static constexpr std::array<const char*, 14> unsupported{"use_dora", "fan_in_fan_out", "lora_bias", "layers_to_transform", "layer_replication",
      "target_parameters", "trainable_token_indices", "alora_invocation_tokens", "use_qalora", "use_bdlora", "arrow_config", "kasa_config",
      "velora_config", "monteclora_config"};
  for (const char* key : unsupported) {
    const auto found = config.find(key);
    if (found != config.end() && means_something(*found)) {
      return input_error(std::string(key) + " is set, which Luthier does not compute.", where + ": " + key, "Merge the adapter with the program that made it.");
    }
  }
  LUTHIER_TRY(s.r, json_int(config, "r", where, 8));
  if (s.r < 1 || s.r > 65536) return input_error("A rank between 1 and 65536 is expected.", where + ": r");
  LUTHIER_TRY(s.lora_alpha, json_number(config, "lora_alpha", where, 8));
  LUTHIER_TRY(s.lora_dropout, json_number(config, "lora_dropout", where, 0));
  if (!(s.lora_dropout >= 0 && s.lora_dropout < 1)) return input_error("A number from 0 to below 1 is expected.", where + ": lora_dropout");
  LUTHIER_TRY(s.use_rslora, json_bool(config, "use_rslora", where, false));
  LUTHIER_TRY(s.bias, json_string(config, "bias", where, "none"));
  if (s.bias != "none") return input_error("bias is \"" + s.bias + "\", which Luthier does not train.", where + ": bias", "Only none is known.");
  LUTHIER_TRY(s.target_modules, read_selector(config, "target_modules", where));
  LUTHIER_TRY(s.exclude_modules, read_selector(config, "exclude_modules", where));
  LUTHIER_TRY(s.rank_pattern, read_pattern<std::int64_t>(config, "rank_pattern", where));
  LUTHIER_TRY(s.alpha_pattern, read_pattern<double>(config, "alpha_pattern", where));
  LUTHIER_TRY(const ModuleSelector saved, read_selector(config, "modules_to_save", where));
  s.modules_to_save = saved.names;
  const auto init = config.find("init_lora_weights");
  if (init != config.end() && init->is_string()) s.init_lora_weights = init->get<std::string>();
  else if (init != config.end() && init->is_boolean()) s.init_lora_weights = init->get<bool>() ? "true" : "false";
  return s;
}

Json write_lora_settings(const AdapterSettings& s, const std::string& base) {
  Json ranks = Json::object(), alphas = Json::object();
  for (const auto& [name, rank] : s.rank_pattern) ranks[name] = rank;
  for (const auto& [name, alpha] : s.alpha_pattern) alphas[name] = alpha;
  Json init = s.init_lora_weights;
  if (s.init_lora_weights == "true" || s.init_lora_weights == "false") init = s.init_lora_weights == "true";
  // A whole number is written as PEFT's own integers are.
  Json alpha = s.lora_alpha;
  if (s.lora_alpha == static_cast<double>(static_cast<std::int64_t>(s.lora_alpha))) alpha = static_cast<std::int64_t>(s.lora_alpha);
  return {{"alpha_pattern", alphas},
          {"auto_mapping", nullptr},
          {"base_model_name_or_path", base},
          {"bias", s.bias},
          {"exclude_modules", selector_json(s.exclude_modules)},
          {"fan_in_fan_out", false},
          {"inference_mode", true},
          {"init_lora_weights", init},
          {"layer_replication", nullptr},
          {"layers_pattern", nullptr},
          {"layers_to_transform", nullptr},
          {"loftq_config", Json::object()},
          {"lora_alpha", alpha},
          {"lora_bias", false},
          {"lora_dropout", s.lora_dropout},
          {"megatron_config", nullptr},
          {"megatron_core", "megatron.core"},
          {"modules_to_save", s.modules_to_save.empty() ? Json(nullptr) : Json(s.modules_to_save)},
          {"peft_type", "LORA"},
          {"r", s.r},
          {"rank_pattern", ranks},
          {"revision", nullptr},
          {"target_modules", selector_json(s.target_modules)},
          {"target_parameters", nullptr},
          {"task_type", nullptr},
          {"trainable_token_indices", nullptr},
          {"use_dora", s.use_dora},
          {"use_rslora", s.use_rslora}};
}

}  // namespace luthier
