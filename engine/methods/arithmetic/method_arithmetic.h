// SPDX-License-Identifier: GPL-3.0-or-later
// What methods' rows have as Method::combine, and what these share.
#pragma once

#include "engine/methods/arithmetic/combine.h"

namespace luthier {

Result<CombinedAdapter> combine_lora(const std::vector<StoredAdapter>& adapters,
                                     const CombineOptions& how);
Result<CombinedAdapter> combine_ia3(const std::vector<StoredAdapter>& adapters,
                                    const CombineOptions& how);

/// What the result's target_modules and exclude_modules say: PEFT's union where that means the
/// modules of all the files, else their names. Lists beside a pattern are refused, as in PEFT.
Status join_targets(const std::vector<StoredAdapter>& adapters, AdapterSettings& settings);
/// A list of all names, or one pattern of all patterns; none: they are of unlike kinds.
std::optional<ModuleSelector> union_of(const std::vector<ModuleSelector>& selectors);

/// Of one module: two adapters have tensors of other sizes there.
Error unlike_sizes(const StoredAdapter& first, const StoredAdapter& second,
                   const std::string& tensor, const torch::Tensor& one, const torch::Tensor& other);

}  // namespace luthier
