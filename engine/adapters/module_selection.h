// SPDX-License-Identifier: GPL-3.0-or-later
// Which modules an adapter wraps: PEFT's matching rules on plain names, shared by the adapters, the forecast and the window. No LibTorch.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"

namespace luthier {

/// The modules (of `linear_names`, in-memory names, the output embedding included) that `settings` selects, in the given order. Names match
/// by whole name or as a suffix after a dot; a string is a full-match regular expression; all-linear is every Linear but `head_name`. exclude_modules takes away.
/// Nothing matching is an Input error.
Result<std::vector<std::string>> select_modules(const std::vector<std::string>& linear_names, const std::string& head_name, const AdapterSettings& settings);
/// The module that LoRA wraps though it is no Linear: the token embedding (all-linear leaves it out).
bool is_token_embedding(const std::string& name);
/// Whether target_modules select `name` and nothing takes it out again (any kind of module; all-linear says yes to all).
Result<bool> is_target(const std::string& name, const AdapterSettings& settings);
/// Whether `name` is one of modules_to_save (whole name or suffix after a dot) or stands inside one.
bool is_saved_module(const std::string& name, const std::vector<std::string>& modules_to_save);
/// rank_pattern / alpha_pattern: the first pattern that matches the name's end (PEFT: regex `.*\.pattern$` or the whole name).
std::int64_t rank_of(const std::string& name, const AdapterSettings& settings);
double alpha_of(const std::string& name, const AdapterSettings& settings);
/// alpha / r, or alpha / sqrt(r) under rsLoRA.
double scale_of(const std::string& name, const AdapterSettings& settings);

}  // namespace luthier
