// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/methods/method.h"

namespace luthier {

/// PEFT 0.21's IA3Config beside common_fields(), sorted by name.
const std::vector<SettingField>& ia3_fields();
Result<AdapterSettings> read_ia3_settings(const Json& config, const std::string& where);
Json write_ia3_settings(const AdapterSettings& settings);

/// Whether the module's input is scaled and not its output, by PEFT's matching: names are ends of
/// the module's, with or without a dot before them; one string matches all of it.
bool is_feedforward(const std::string& module, const AdapterSettings& settings);
/// [out, 1], or [1, in] of a feed-forward module.
std::vector<TensorSize> ia3_sizes(const ModelModule& module, const ModuleScale& scale,
                                  const AdapterSettings& settings);
/// The product, whose gradient the factors take.
/// What is scaled: the product's input, or its result.
void ia3_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
               const AdapterSettings& settings);
/// What feedforward_modules says must mean a module that is wrapped.
Status check_feedforward(const ModuleSelection& selection, const AdapterSettings& settings);

}  // namespace luthier
