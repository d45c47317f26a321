// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/lora_fields.h"

#include <algorithm>

namespace luthier {

namespace {

using Use = LoraField::Use;

/// null, false and an empty list say nothing. An empty object may: PEFT makes a method's defaults
/// of it.
bool is_default(const Json& value) {
  return value.is_null() || value == false || (value.is_array() && value.empty());
}

}  // namespace

const std::vector<LoraField>& lora_fields() {
  static const std::vector<LoraField> table{
      {"alora_invocation_tokens", Use::Refused, "adapts only what follows these tokens"},
      {"alpha_pattern", Use::Read, ""},
      {"arrow_config", Use::Refused, "routes between several adapters"},
      {"auto_mapping", Use::Harmless, "it names the Python class of the base"},
      {"base_model_name_or_path", Use::Harmless, "an adapter fits when its names and shapes do"},
      {"bias", Use::Read, ""},
      {"corda_config", Use::Harmless, "it belongs to init_lora_weights: corda, which is refused"},
      {"ensure_weight_tying", Use::Refused, "lets the tied head share the embedding's adapter"},
      {"eva_config", Use::Harmless,
       "it chose where training started and the ranks, which rank_pattern has"},
      {"exclude_modules", Use::Read, ""},
      {"fan_in_fan_out", Use::Harmless, "PEFT sets it to false for a Linear and an Embedding"},
      {"inference_mode", Use::Harmless, "it says whether PEFT lets the tensors train"},
      {"init_lora_weights", Use::Read, ""},
      {"kasa_config", Use::Refused, "cuts the base's weights and adds a diagonal between A and B"},
      {"layer_replication", Use::Refused, "repeats layers of the base"},
      {"layers_pattern", Use::Harmless, "the tensors say which modules it chose"},
      {"layers_to_transform", Use::Harmless, "the tensors say which modules it chose"},
      {"loftq_config", Use::Harmless, "it belongs to init_lora_weights: loftq, which is refused"},
      {"lora_alpha", Use::Read, ""},
      {"lora_bias", Use::Refused, "adds a bias to B"},
      {"lora_dropout", Use::Read, ""},
      {"lora_ga_config", Use::Harmless,
       "it belongs to init_lora_weights: lora_ga, which is refused"},
      {"megatron_config", Use::Harmless,
       "it is for Megatron's parallel layers, which a checkpoint of transformers has not"},
      {"megatron_core", Use::Harmless, "it names the Python module of Megatron"},
      {"modules_to_save", Use::Read, ""},
      {"monteclora_config", Use::Refused, "draws the adapter anew in each pass"},
      {"peft_type", Use::Read, ""},
      {"peft_version", Use::Harmless, "it says what wrote the folder"},
      {"qalora_group_size", Use::Harmless, "it belongs to use_qalora, which is refused"},
      {"r", Use::Read, ""},
      {"rank_pattern", Use::Read, ""},
      {"revision", Use::Harmless, "it is of the base's name"},
      {"runtime_config", Use::Harmless, "PEFT ignores it in a file"},
      {"target_modules", Use::Read, ""},
      {"target_parameters", Use::Refused, "adapts parameters that are no module's weight"},
      {"task_type", Use::Harmless, "it chooses PEFT's wrapper around the same model"},
      {"trainable_token_indices", Use::Refused, "replaces single rows of the embedding"},
      {"use_bdlora", Use::Refused, "makes A or B block-diagonal"},
      {"use_dora", Use::Refused, "rescales the rows of each weight"},
      {"use_qalora", Use::Refused, "averages groups of inputs"},
      {"use_rslora", Use::Read, ""},
      {"velora_config", Use::Refused, "keeps compressed activations, which changes the gradients"},
  };
  return table;
}

Status check_lora_fields(const Json& config, const std::string& where) {
  for (const LoraField& field : lora_fields()) {
    const auto found = config.find(field.name);
    if (field.use != Use::Refused || found == config.end() || is_default(*found)) continue;
    return input_error(std::string(field.name) + " is set, which " + field.why +
                           "; Luthier does not compute that.",
                       where + ": " + field.name,
                       "Merge the adapter with the program that made it.");
  }
  return {};
}

std::vector<std::string> unknown_lora_fields(const Json& config) {
  std::vector<std::string> unknown;
  const auto& fields = lora_fields();
  for (const auto& [name, value] : config.items()) {
    const bool known =
        std::any_of(fields.begin(), fields.end(),
                    [key = name](const LoraField& field) { return key == field.name; });
    if (!known) unknown.push_back(name);
  }
  return unknown;
}

}  // namespace luthier
