// SPDX-License-Identifier: GPL-3.0-or-later
// What of the methods goes with the products that transformers has as a Conv1D (GPT-2's): said of
// modules by their names, so that who plans by shapes alone says the same as who hangs adapters on
// them.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/config/recipe.h"

namespace luthier {

/// Whether a Linear of a model of this type is such a product.
bool is_conv1d_of(const std::string& model_type, const std::string& module);

/// Input error where the method, or its start, is one that PEFT computes otherwise on a Conv1D than
/// on a Linear, or not at all.
Status check_on_conv1d(const std::string& module, const std::string& method,
                       const AdapterSettings& settings);

/// Input error at `where`: such a module is not trained whole beside an adapter, whose file would
/// have it turned; and is not packed.
Error conv1d_not_saved(const std::string& module, const std::string& where);
Error conv1d_not_packed(const std::string& module, const std::string& where);

}  // namespace luthier
