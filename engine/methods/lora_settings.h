// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/methods/method.h"

namespace luthier {

/// The setting that names rows of the embedding.
inline constexpr const char* kLoraTokenRows = "adapter.trainable_token_indices";

/// The one that names weights in the place of modules.
inline constexpr const char* kLoraParameters = "adapter.target_parameters";

const Method& lora_method();
/// PEFT 0.21's LoraConfig beside common_fields(), sorted by name.
const std::vector<SettingField>& lora_fields();
Result<AdapterSettings> read_lora_settings(const Json& config, const std::string& where);
Json write_lora_settings(const AdapterSettings& settings);

/// A and B, of which r is scale.rank, then DoRA's magnitude or B's bias.
std::vector<TensorSize> lora_sizes(const ModelModule& module, const ModuleScale& scale,
                                   const AdapterSettings& settings);
/// x·Aᵀ, and with dropout two more copies of the input in the backward; under DoRA the result that
/// is rescaled, too; and the weight that a start puts in the place of the base's.
void lora_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
                const AdapterSettings& settings);
/// Its packed numbers, as settings of quantization (loftq_bits).
Json loftq_packing(const AdapterSettings& settings);
/// Linear modules, convolutions of patches and the token embedding.
bool lora_can_wrap(const ModelModule& module);

}  // namespace luthier
