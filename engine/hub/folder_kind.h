// SPDX-License-Identifier: GPL-3.0-or-later
// What a path is that somebody gave as a model, an adapter or a run. People mix these up, and each
// mistake has its own answer: an adapter is given as a model, a run's folder in the place of its
// result, a hub's id where no folder is, a quantized or half-downloaded checkpoint. One place knows
// them all, so that every verb and the window say the same. Only names and small JSON files are
// read; nothing is loaded.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"

namespace luthier {

/// No larger config.json is read.
inline constexpr std::uint64_t kLargestConfig = 16u << 20;

/// Fine where the path may be a model's folder (a config.json is there); else what it is, and which
/// path was meant.
Status check_model_folder(const std::filesystem::path& path);
/// The same for an adapter's folder (an adapter_config.json is there).
Status check_adapter_folder(const std::filesystem::path& path);

/// The weights of a model's folder that were tried to be opened; refuses quantized ones by the name
/// of their method. `config`: its config.json. (models/open_weights asks this and more.)
Status check_weights(const std::filesystem::path& folder, const Json& config,
                     const Result<CheckpointFiles>& files);

/// The newest snapshot of a repository in the hub's cache on this machine: of `main`, else of any
/// revision.
std::optional<std::filesystem::path> cached_snapshot(const std::string& repository);

}  // namespace luthier
