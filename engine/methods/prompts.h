// SPDX-License-Identifier: GPL-3.0-or-later
// What the methods with virtual tokens share: PEFT keeps of all of them one tensor,
// `prompt_embeddings`, and says in the config what base it was for.
#pragma once

#include "engine/methods/method.h"

namespace luthier {

inline constexpr const char* kPromptKey = "prompt_embeddings";

/// PEFT's PromptLearningConfig beside common_fields(), and `own` fields, sorted by name.
std::vector<SettingField> prompt_fields(std::vector<SettingField> own);
/// The config of a method with this kind's settings alone.
Result<AdapterSettings> read_prompt_settings(const char* method, const Json& config,
                                             const std::string& where);
Json write_prompt_settings(const char* method, const AdapterSettings& settings);
/// token_dim and the like. `heads`: those that token_dim is divided among.
Json prompt_facts(const ModelGeometry& model, std::int64_t token_dim, std::int64_t heads);

/// The refusal of a model that has no place for virtual tokens.
Error no_virtual_tokens();
/// Refused by this where a method puts tokens or keys before each row, as its `add_to` says, and
/// the model has no place for them: by a summary what `make` finds of a model that is there. A
/// summary that cannot say what a step costs is taken as it is.
Status virtual_tokens_fit(const WholeMethod& method, const AdapterSettings& settings,
                          const ModelSummary& model);

/// The decoder that takes a prompt. An Input error where the model has none, or several.
Result<SequencePort*> prompt_port(const Ports& ports);
/// The file's only tensor in float32, [tokens, width]. Input errors: another key, another shape.
Result<torch::Tensor> read_prompt(const SafetensorsFile& file, std::int64_t tokens,
                                  std::int64_t width);

/// What made a prompt, beside the adapter's file (`file`): tensors of these names and shapes in
/// their order, in float32 on `device`. None: the folder has no such file.
Result<std::optional<std::vector<torch::Tensor>>> read_encoder(const SafetensorsFile& file,
                                                               const std::vector<TensorSize>& sizes,
                                                               torch::Device device);
/// Why a prompt without what made it cannot be trained further.
Error no_encoder(const SafetensorsFile& file);
/// As torch.nn.Linear starts: uniform within ±1/√(width of its input), its bias too.
void draw_linear(torch::Tensor& weight, torch::Tensor& bias, at::Generator& generator);

}  // namespace luthier
