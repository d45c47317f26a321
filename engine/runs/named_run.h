// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a folder can be meant by a wish to resume.
#pragma once

#include <filesystem>

#include "engine/base/result.h"

namespace luthier {

/// `run` is a run, or the recipe's own `output_dir`, where nothing need be yet. An Input error says
/// what else is there (a part of a run, a folder of runs, an adapter, a model, a file, nothing) and
/// names the runs nearest to it.
Status check_named_run(const std::filesystem::path& run, const std::filesystem::path& output_dir);

}  // namespace luthier
