// SPDX-License-Identifier: GPL-3.0-or-later
// adapter_config.json of a LoRA, as PEFT 0.21 reads and writes it. lora_fields.h says of each
// setting what becomes of it.
#include <algorithm>
#include <array>

#include "engine/methods/lora.h"
#include "engine/methods/lora_fields.h"

namespace luthier {

namespace {

/// null, a list of strings or one string.
Result<ModuleSelector> read_selector(const Json& config, const char* key,
                                     const std::string& where) {
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
  if (!found->is_array())
    return input_error("A list of names or one pattern is expected.", where + ": " + key);
  selector.kind = ModuleSelector::Kind::Names;
  for (const Json& name : *found) {
    if (!name.is_string()) return input_error("A list of names is expected.", where + ": " + key);
    selector.names.push_back(name.get<std::string>());
  }
  return selector;
}

template <class T>
Result<std::vector<std::pair<std::string, T>>> read_pattern(const Json& config, const char* key,
                                                            const std::string& where) {
  std::vector<std::pair<std::string, T>> pattern;
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return pattern;
  if (!found->is_object())
    return input_error("An object of pattern: number is expected.", where + ": " + key);
  for (const auto& [name, value] : found->items()) {
    const bool whole = std::is_integral_v<T>;
    if (!value.is_number() || (whole && !value.is_number_integer())) {
      return input_error(whole ? "A whole number is expected." : "A number is expected.",
                         where + ": " + key + "." + name);
    }
    pattern.emplace_back(name, value.template get<T>());
  }
  return pattern;
}

/// How A and B were started. What it was no longer matters, but for the starts that took something
/// out of the base's weights first: those weights are not in the folder, and are not the
/// checkpoint's.
Result<std::string> read_init(const Json& config, const std::string& where) {
  const auto found = config.find("init_lora_weights");
  if (found == config.end()) return std::string("true");
  if (found->is_null()) return std::string("false");
  if (found->is_boolean()) return std::string(found->get<bool>() ? "true" : "false");
  const std::string place = where + ": init_lora_weights";
  if (!found->is_string())
    return input_error("true, false or the name of a start is expected.", place);
  std::string name = found->get<std::string>();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  for (const char* taken : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
    if (!name.starts_with(taken)) continue;
    return input_error(
        "init_lora_weights is \"" + found->get<std::string>() +
            "\": that start changes the base's weights, and the changed ones are not in the "
            "folder.",
        place,
        "Convert it to a plain LoRA where it was trained: PEFT's save_pretrained with "
        "path_initial_model_for_weight_conversion.");
  }
  if (name == "gaussian") return name;
  static constexpr std::array<const char*, 5> plain{"true", "false", "eva", "orthogonal", "mica"};
  if (std::find(plain.begin(), plain.end(), name) != plain.end())
    return std::string(name == "false" ? "false" : "true");
  return input_error(
      "init_lora_weights is \"" + found->get<std::string>() + "\", which PEFT 0.21 does not know.",
      place, "Whether it changed the base's weights cannot be told.");
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
  LUTHIER_CHECK(check_lora_fields(config, where));
  LUTHIER_TRY(s.r, json_int(config, "r", where, 8));
  if (s.r < 1 || s.r > 65536)
    return input_error("A rank between 1 and 65536 is expected.", where + ": r");
  LUTHIER_TRY(s.lora_alpha, json_number(config, "lora_alpha", where, 8));
  LUTHIER_TRY(s.lora_dropout, json_number(config, "lora_dropout", where, 0));
  if (!(s.lora_dropout >= 0 && s.lora_dropout < 1))
    return input_error("A number from 0 to below 1 is expected.", where + ": lora_dropout");
  LUTHIER_TRY(s.use_rslora, json_bool(config, "use_rslora", where, false));
  LUTHIER_TRY(s.bias, json_string(config, "bias", where, "none"));
  if (s.bias != "none")
    return input_error("bias is \"" + s.bias + "\", which Luthier does not train.",
                       where + ": bias", "Only none is known.");
  LUTHIER_TRY(s.target_modules, read_selector(config, "target_modules", where));
  LUTHIER_TRY(s.exclude_modules, read_selector(config, "exclude_modules", where));
  LUTHIER_TRY(s.rank_pattern, read_pattern<std::int64_t>(config, "rank_pattern", where));
  LUTHIER_TRY(s.alpha_pattern, read_pattern<double>(config, "alpha_pattern", where));
  LUTHIER_TRY(const ModuleSelector saved, read_selector(config, "modules_to_save", where));
  s.modules_to_save = saved.names;
  LUTHIER_TRY(s.init_lora_weights, read_init(config, where));
  return s;
}

Json write_lora_settings(const AdapterSettings& s, const std::string& base) {
  Json ranks = Json::object(), alphas = Json::object();
  for (const auto& [name, rank] : s.rank_pattern) ranks[name] = rank;
  for (const auto& [name, alpha] : s.alpha_pattern) alphas[name] = alpha;
  Json init = s.init_lora_weights;
  if (s.init_lora_weights == "true" || s.init_lora_weights == "false")
    init = s.init_lora_weights == "true";
  // A whole number is written as PEFT's own integers are.
  Json alpha = s.lora_alpha;
  if (s.lora_alpha == static_cast<double>(static_cast<std::int64_t>(s.lora_alpha)))
    alpha = static_cast<std::int64_t>(s.lora_alpha);
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
