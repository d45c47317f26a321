// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA without a tensor: adapter_config.json as PEFT 0.21 reads and writes it, what can be wrapped
// and what sizes that takes.
#include "engine/methods/lora_settings.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/config/kinds/invocation_rule.h"
#include "engine/config/kinds/start_rules.h"
#include "engine/io/weight_kinds.h"
#include "engine/methods/expert_lora.h"

namespace luthier {

namespace {

using Use = SettingField::Use;

constexpr double kLargestAlpha = 1e9;

/// A number that leaves the adapter's products finite.
Status check_alpha(double alpha, const std::string& where) {
  if (std::abs(alpha) <= kLargestAlpha) return {};
  return input_error("A number between -1e9 and 1e9 is expected.", where);
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
    if (!whole)
      LUTHIER_CHECK(check_alpha(value.template get<double>(), where + ": " + key + "." + name));
    pattern.emplace_back(name, value.template get<T>());
  }
  return pattern;
}

/// Settings that PEFT has in a section of the config and a recipe beside the others.
struct Section {
  const char* name;    ///< of the section
  const char* prefix;  ///< of its keys where they stand beside the others
  std::vector<const char*> keys;
  const char* start;  ///< the init_lora_weights that it is for
  Json none;          ///< what stands there under another
};
const std::vector<Section>& sections() {
  static const std::vector<Section> all{
      {"loftq_config", "", {"loftq_bits", "loftq_iter"}, "loftq", Json::object()},
      {"eva_config",
       "eva_",
       {"rho", "tau", "use_label_mask", "label_mask_value", "whiten", "adjust_scaling_factors"},
       "eva",
       nullptr}};
  return all;
}

Result<Json> sections_opened(Json config, const std::string& where) {
  for (const Section& section : sections()) {
    const auto found = config.find(section.name);
    const Json inner = found == config.end() || found->is_null() ? Json::object() : *found;
    if (!inner.is_object())
      return input_error("An object is expected.", where + ": " + section.name);
    for (const char* key : section.keys) {
      const std::string flat = std::string(section.prefix) + key;
      config.erase(flat);
      if (inner.contains(key)) config[flat] = inner[key];
    }
  }
  return config;
}

/// And back; a section for another start is as PEFT has it where it says nothing.
void close_sections(const std::string& start, Json& config) {
  for (const Section& section : sections()) {
    Json inner = Json::object();
    for (const char* key : section.keys) {
      const std::string flat = std::string(section.prefix) + key;
      inner[key] = config[flat];
      config.erase(flat);
    }
    config[section.name] = start == section.start ? inner : section.none;
  }
}

/// How A and B were started. What it was no longer matters, but for the starts that took something
/// out of the base's weights first: PiSSA's, OLoRA's and LoftQ's is found again in the checkpoint's
/// weights, of others the changed weights are needed, which are not in the folder.
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
  for (const char* taken : {"corda", "lora_ga"}) {
    if (!name.starts_with(taken)) continue;
    return input_error(
        "init_lora_weights is \"" + found->get<std::string>() +
            "\": that start changes the base's weights, and the changed ones are not in the "
            "folder.",
        place,
        "Convert it to a plain LoRA where it was trained: PEFT's save_pretrained with "
        "path_initial_model_for_weight_conversion.");
  }
  static constexpr std::array<const char*, 7> kKept{"gaussian", "orthogonal", "olora", "pissa",
                                                    "loftq",    "eva",        "mica"};
  if (std::find(kKept.begin(), kKept.end(), name) != kKept.end()) return name;
  if (const RecipeField* field = exact_field("adapter.init_lora_weights");
      name.starts_with("pissa_niter_") && check_value(*field, name, place))
    return name;
  if (name == "true" || name == "false") return name;
  return input_error(
      "init_lora_weights is \"" + found->get<std::string>() + "\", which PEFT 0.21 does not know.",
      place, "Whether it changed the base's weights cannot be told.");
}

}  // namespace

const std::vector<SettingField>& lora_fields() {
  static const std::vector<SettingField> table{
      {"alora_invocation_tokens", Use::Read, ""},
      {"alpha_pattern", Use::Read, ""},
      {"arrow_config", Use::Refused, "routes between several adapters"},
      {"bias", Use::Read, ""},
      {"corda_config", Use::Harmless, "it belongs to init_lora_weights: corda, which is refused"},
      {"ensure_weight_tying", Use::Read, ""},
      {"eva_config", Use::Read, ""},
      {"exclude_modules", Use::Read, ""},
      {"fan_in_fan_out", Use::Harmless, "PEFT sets it to false for a Linear and an Embedding"},
      {"init_lora_weights", Use::Read, ""},
      {"kasa_config", Use::Refused, "cuts the base's weights and adds a diagonal between A and B"},
      {"layer_replication", Use::Refused, "repeats layers of the base"},
      {"layers_pattern", Use::Read, ""},
      {"layers_to_transform", Use::Read, ""},
      {"loftq_config", Use::Read, ""},
      {"lora_alpha", Use::Read, ""},
      {"lora_bias", Use::Read, ""},
      {"lora_dropout", Use::Read, ""},
      {"lora_ga_config", Use::Harmless,
       "it belongs to init_lora_weights: lora_ga, which is refused"},
      {"megatron_config", Use::Harmless,
       "it is for Megatron's parallel layers, which a checkpoint of transformers has not"},
      {"megatron_core", Use::Harmless, "it names the Python module of Megatron"},
      {"modules_to_save", Use::Read, ""},
      {"monteclora_config", Use::Refused, "draws the adapter anew in each pass"},
      {"qalora_group_size", Use::Harmless, "it belongs to use_qalora, which is refused"},
      {"r", Use::Read, ""},
      {"rank_pattern", Use::Read, ""},
      {"runtime_config", Use::Harmless, "PEFT ignores it in a file"},
      {"target_modules", Use::Read, ""},
      {"target_parameters", Use::Read, ""},
      {"trainable_token_indices", Use::Read, ""},
      {"use_bdlora", Use::Refused, "makes A or B block-diagonal"},
      {"use_dora", Use::Read, ""},
      {"use_qalora", Use::Refused, "averages groups of inputs"},
      {"use_rslora", Use::Read, ""},
      {"velora_config", Use::Refused, "keeps compressed activations, which changes the gradients"},
  };
  return table;
}

Result<AdapterSettings> read_lora_settings(const Json& config, const std::string& where) {
  AdapterSettings s;
  LUTHIER_TRY(s.r, json_int(config, "r", where, 8));
  if (s.r < 1 || s.r > 65536)
    return input_error("A rank between 1 and 65536 is expected.", where + ": r");
  LUTHIER_TRY(s.lora_alpha, json_number(config, "lora_alpha", where, 8));
  LUTHIER_CHECK(check_alpha(s.lora_alpha, where + ": lora_alpha"));
  LUTHIER_TRY(s.lora_dropout, json_number(config, "lora_dropout", where, 0));
  if (!(s.lora_dropout >= 0 && s.lora_dropout < 1))
    return input_error("A number from 0 to below 1 is expected.", where + ": lora_dropout");
  LUTHIER_TRY(s.use_rslora, json_bool(config, "use_rslora", where, false));
  LUTHIER_TRY(s.bias, json_string(config, "bias", where, "none"));
  if (s.bias != "none" && s.bias != "all" && s.bias != "lora_only")
    return input_error("bias is \"" + s.bias + "\", which PEFT 0.21 does not know.",
                       where + ": bias", "Known: none, all, lora_only.");
  LUTHIER_TRY(s.use_dora, json_bool(config, "use_dora", where, false));
  LUTHIER_CHECK(read_module_settings(config, where, s));
  LUTHIER_TRY(const Json own, sections_opened(config, where));
  LUTHIER_CHECK(read_own_settings(method_kind("lora"), own, where, s));
  if (s.use_dora && s.more.flag("adapter.lora_bias"))
    return input_error("use_dora and lora_bias are both set, which PEFT 0.21 does not compute.",
                       where + ": lora_bias");
  LUTHIER_TRY(s.rank_pattern, read_pattern<std::int64_t>(config, "rank_pattern", where));
  LUTHIER_TRY(s.alpha_pattern, read_pattern<double>(config, "alpha_pattern", where));
  LUTHIER_TRY(s.init_lora_weights, read_init(config, where));
  if (const char* other = set_beside_invocation(s))
    return input_error("alora_invocation_tokens is set, and so is " + std::string(other) +
                           "; Luthier does not compute both.",
                       where + ": alora_invocation_tokens", "Answer with it where it was made.");
  const std::int64_t bits = s.more.integer("adapter.loftq_bits");
  if (s.init_lora_weights == "loftq" && bits != 4 && bits != 8)
    return input_error("PEFT 0.21 packs to 4 and to 8 bits alone.",
                       where + ": loftq_config.loftq_bits");
  return s;
}

Json write_lora_settings(const AdapterSettings& s) {
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
  Json config = common_json();
  write_module_settings(s, config);
  config.update({{"alpha_pattern", alphas},
                 {"bias", s.bias},
                 {"fan_in_fan_out", false},
                 {"init_lora_weights", init},
                 {"layer_replication", nullptr},
                 {"lora_alpha", alpha},
                 {"lora_dropout", s.lora_dropout},
                 {"megatron_config", nullptr},
                 {"megatron_core", "megatron.core"},
                 {"r", s.r},
                 {"rank_pattern", ranks},
                 {"use_dora", s.use_dora},
                 {"use_rslora", s.use_rslora}});
  write_own_settings(method_kind("lora"), s, config);
  // PEFT looks for an invocation in the wrapper of a language model alone.
  if (!s.more.names(kInvocation).empty()) config["task_type"] = "CAUSAL_LM";
  close_sections(s.init_lora_weights, config);
  return config;
}

namespace {

/// A is a convolution to `rank` channels with the base's window, B one with a window of 1.
std::vector<TensorSize> convolution_sizes(const ModelModule& module, std::int64_t rank,
                                          const AdapterSettings& settings) {
  const std::int64_t out = module.shape[0];
  std::vector<std::int64_t> a = module.shape, b(module.shape.size(), 1), length = b;
  a[0] = b[1] = rank;
  b[0] = length[1] = out;
  std::vector<TensorSize> sizes{{".lora_A.weight", a}, {".lora_B.weight", b}};
  if (settings.use_dora)
    sizes.push_back({".lora_magnitude_vector", length});
  else if (settings.more.flag("adapter.lora_bias"))
    sizes.push_back({".lora_B.bias", {out}});
  return sizes;
}

}  // namespace

std::vector<TensorSize> lora_sizes(const ModelModule& module, const ModuleScale& scale,
                                   const AdapterSettings& settings) {
  const std::int64_t rank = scale.rank;
  if (module.stack()) return expert_sizes(module, rank);
  if (module.convolution() && module.shape.size() > 2)
    return convolution_sizes(module, rank, settings);
  if (module.shape.size() != 2) return {};
  const std::int64_t rows = module.shape[0], columns = module.shape[1];
  const bool tokens = module.token_embedding();
  const bool both = settings.init_lora_weights != kMica;
  std::vector<TensorSize> sizes;
  if (tokens)
    sizes = {{".lora_embedding_A", {rank, rows}}, {".lora_embedding_B", {columns, rank}, both}};
  else
    sizes = {{".lora_A.weight", {rank, columns}}, {".lora_B.weight", {rows, rank}, both}};
  if (settings.use_dora)
    sizes.push_back({".lora_magnitude_vector", {tokens ? columns : rows}});
  else if (!tokens && settings.more.flag("adapter.lora_bias"))
    sizes.push_back({".lora_B.bias", {rows}});
  return sizes;
}

namespace {

/// loftq's start puts a weight of its own in the place of the base's.
void add_stand_in(TrainedShare& share, const ModelModule& module, const AdapterSettings& settings) {
  const std::int64_t rows = module.shape.at(0), columns = module.shape.at(1);
  if (settings.more.integer("adapter.loftq_bits") == 8) {
    share.fixed_numbers = rows * columns;
    return;
  }
  const Json packing = loftq_packing(settings);
  share.fixed_bytes = (*find_weight_kind(packing, ""))->bytes(rows, columns, packing);
}

}  // namespace

void lora_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
                const AdapterSettings& settings) {
  if (module.stack()) {  // x alone, and B expert by expert
    share.kept_numbers = module.shape[0] * module.shape[1] * scale.rank;
    return;
  }
  const bool tokens = module.token_embedding();
  const std::string& start = settings.init_lora_weights;
  const bool taken = !tokens && takes_from_base(start);
  share.row_numbers = taken ? 2 * scale.rank : scale.rank;
  if (settings.use_dora && module.shape.size() == 2) {
    share.row_numbers += module.shape[tokens ? 1 : 0];  // what is rescaled
    if (settings.lora_dropout > 0 && !tokens) {
      // Of a result's gradient what goes behind the mask, beside one copy of the input's.
      share.row_work = std::max<std::int64_t>(0, module.shape[0] - module.shape[1]);
      share.row_floats = module.shape[0];
    }
  }
  share.input_copies = settings.lora_dropout > 0 ? 3 : 1;
  if (!settings.more.names(kInvocation).empty() && module.shape.size() == 2) {
    share.row_numbers += 2 * module.shape[0];  // what is added, before it is chosen
    share.row_by_row = false;
  }
  if (start == kMica && module.shape.size() == 2)
    share.fixed_bytes = 4 * module.shape[tokens ? 1 : 0] * scale.rank;  // B
  if (packs_base(start) && module.linear()) add_stand_in(share, module, settings);
}

Json loftq_packing(const AdapterSettings& settings) {
  if (settings.more.integer("adapter.loftq_bits") == 8) return {{"load_in_8bit", true}};
  return {{"load_in_4bit", true},
          {"bnb_4bit_quant_type", "nf4"},
          {"bnb_4bit_compute_dtype", "auto"}};  // products are as the base's are
}

bool lora_can_wrap(const ModelModule& module) {
  return module.linear() || module.convolution() || module.token_embedding();
}

}  // namespace luthier
