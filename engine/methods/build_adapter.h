// SPDX-License-Identifier: GPL-3.0-or-later
// Adapters made, once for all methods that hang a plug on each of some modules: fresh for a recipe,
// or from the tensors of a PEFT folder. The method's row says sizes, initial values and plugs.
#pragma once

#include "engine/methods/method.h"

namespace luthier {

Result<std::shared_ptr<Adapter>> build_fresh(const Method& method, LoadedModel& base,
                                             const AdapterSettings& settings, std::uint64_t seed);
Result<std::shared_ptr<Adapter>> build_from(const Method& method, LoadedModel& base,
                                            const AdapterSettings& settings,
                                            const SafetensorsFile& file);
/// What a folder's tensor file adapts, from its header alone.
Result<ModuleSelection> selection_of(const Method& method, const Family& family,
                                     const AdapterSettings& settings, const SafetensorsFile& file);

/// What to say of a tensor that has other rows than the base's: where a row is a token, the
/// vocabulary is another.
std::string other_base(const std::string& name, const std::vector<std::int64_t>& shape,
                       const std::vector<std::int64_t>& base);

}  // namespace luthier
