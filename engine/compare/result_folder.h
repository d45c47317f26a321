// SPDX-License-Identifier: GPL-3.0-or-later
// What a folder can be compared as: a PEFT adapter, or a whole checkpoint. Both are named as people
// name them: the folder itself, or the run that wrote it. No LibTorch.
#pragma once

#include <filesystem>
#include <string>

#include "engine/base/result.h"

namespace luthier {

struct ResultFolder {
  std::filesystem::path folder;  ///< with adapter_config.json, or with config.json
  bool whole = false;            ///< a whole checkpoint
};

/// An adapter's folder, a checkpoint's, a run's (its adapter/ or model/), or a run's checkpoint
/// that holds an adapter. Anything else is an Input error that says what the folder is and what to
/// name instead.
Result<ResultFolder> find_result(const std::filesystem::path& folder);

/// What a column of this result is called: "runs/korean/adapter" and "runs/korean" as "korean".
std::string result_name(const std::filesystem::path& folder);

/// What a model's folder is called: a hub snapshot by its model ("org/name"), "teaching/base" as
/// "teaching-base", else the folder's name.
std::string readable_model_name(const std::filesystem::path& folder);

}  // namespace luthier
