// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/prompts.h"

#include <algorithm>
#include <cmath>

#include "engine/methods/adapter_tensors.h"
#include "engine/models/cost.h"
#include "engine/models/tower_facts.h"

namespace luthier {

using Use = SettingField::Use;

std::vector<SettingField> prompt_fields(std::vector<SettingField> own) {
  const std::vector<SettingField> shared{
      {"modules_to_save", Use::Refused, "trains modules of the base whole"},
      {"num_attention_heads", Use::Harmless, "the tensor's shape says what it is for"},
      {"num_layers", Use::Harmless, "the tensor's shape says what it is for"},
      {"num_transformer_submodules", Use::Harmless, "it is 1 for a decoder"},
      {"num_virtual_tokens", Use::Read, ""},
      {"token_dim", Use::Harmless, "the tensor's shape says what it is for"},
  };
  own.insert(own.end(), shared.begin(), shared.end());
  std::sort(own.begin(), own.end(), [](const SettingField& l, const SettingField& r) {
    return std::string(l.name) < r.name;
  });
  return own;
}

Result<AdapterSettings> read_prompt_settings(const char* method, const Json& config,
                                             const std::string& where) {
  AdapterSettings settings;
  LUTHIER_CHECK(read_own_settings(method_kind(method), config, where, settings));
  return settings;
}

Json write_prompt_settings(const char* method, const AdapterSettings& settings) {
  Json config = common_json();
  write_own_settings(method_kind(method), settings, config);
  config["task_type"] = "CAUSAL_LM";  // PEFT's wrapper that puts prompts in front
  config["modules_to_save"] = nullptr;
  config["num_transformer_submodules"] = 1;
  return config;
}

Json prompt_facts(const ModelGeometry& model, std::int64_t token_dim, std::int64_t heads) {
  return {{"num_attention_heads", heads},
          {"num_layers", model.num_hidden_layers},
          {"token_dim", token_dim}};
}

Error no_virtual_tokens() {
  return input_error("The model takes no virtual tokens in front of its text.", "strategy",
                     "Choose a method that hangs on layers, such as lora.");
}

Status virtual_tokens_fit(const WholeMethod& method, const AdapterSettings& settings,
                          const ModelSummary& model) {
  const auto* known = dynamic_cast<const KnowsPrompts*>(model.cost.get());
  if (!known) return {};
  StepTerms terms;
  method.add_to(terms, settings);
  const PromptPlaces places = known->prompt_places();
  const bool tokens = terms.tokens_before == 0 || (places.sequences == 1 && places.decoders == 1),
             keys =
                 terms.keys_before == 0 ||
                 (places.attentions > 0 && places.attentions == model.geometry.num_hidden_layers);
  return tokens && keys ? Status() : no_virtual_tokens();
}

Result<SequencePort*> prompt_port(const Ports& ports) {
  if (ports.sequences.size() == 1 && ports.sequences.front().second->takes_prompts())
    return ports.sequences.front().second;
  return no_virtual_tokens();
}

Result<torch::Tensor> read_prompt(const SafetensorsFile& file, std::int64_t tokens,
                                  std::int64_t width) {
  const std::string where = file.path().string();
  for (const auto& [key, info] : file.header().tensors) {
    if (key == kPromptKey) continue;
    return no_place_for(where + ": " + key);
  }
  const auto view = file.find(kPromptKey);
  if (!view) return input_error("The file holds no tensors.", where, "The adapter is empty.");
  return read_adapter_tensor(*view, {tokens, width}, where + ": " + kPromptKey);
}

Result<std::optional<std::vector<torch::Tensor>>> read_encoder(const SafetensorsFile& adapter,
                                                               const std::vector<TensorSize>& sizes,
                                                               torch::Device device) {
  const std::filesystem::path path = adapter.path().parent_path() / Adapter::kEncoderFile;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::optional<std::vector<torch::Tensor>>();
  LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  std::vector<torch::Tensor> tensors;
  for (const TensorSize& size : sizes) {
    const std::string place = path.string() + ": " + size.suffix;
    const auto view = file.find(size.suffix);
    if (!view)
      return input_error("The tensor " + size.suffix + " is missing.", place,
                         "The file is incomplete.");
    LUTHIER_TRY(const torch::Tensor read, read_adapter_tensor(*view, size.shape, place));
    tensors.push_back(read.to(device));
  }
  LUTHIER_CHECK(file.check_unchanged());
  return std::optional(std::move(tensors));
}

Error no_encoder(const SafetensorsFile& file) {
  return input_error(
      "The folder has only what a network made, not the network.",
      file.path().parent_path().string(),
      "PEFT saves no network: go on from a run's folder that has prompt_encoder.safetensors, or "
      "start anew.");
}

void draw_linear(torch::Tensor& weight, torch::Tensor& bias, at::Generator& generator) {
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  weight.uniform_(-bound, bound, generator);
  bias.uniform_(-bound, bound, generator);
}

}  // namespace luthier
