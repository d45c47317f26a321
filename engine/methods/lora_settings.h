// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/methods/method.h"

namespace luthier {

const Method& lora_method();
/// PEFT 0.21's LoraConfig beside common_fields(), sorted by name.
const std::vector<SettingField>& lora_fields();
Result<AdapterSettings> read_lora_settings(const Json& config, const std::string& where);
Json write_lora_settings(const AdapterSettings& settings);

/// A and B: r is scale.rank.
std::vector<TensorSize> lora_sizes(const ModelModule& module, const ModuleScale& scale,
                                   const AdapterSettings& settings);
/// x·Aᵀ, and with dropout two more copies of the input in the backward.
void lora_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
                const AdapterSettings& settings);
/// Linear modules and the token embedding.
bool lora_can_wrap(const ModelModule& module);

}  // namespace luthier
