// SPDX-License-Identifier: GPL-3.0-or-later
// A run's files of lines go back to a step, however long they have become: roll-outs of days do not
// fit into memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

/// Leaves those of the file's lines that are whole JSON and that `keep` wants. What is dropped
/// mostly stands at the end, and the file is made shorter then; else it is written anew,
/// atomically. No file: nothing to do.
Status keep_lines(const std::filesystem::path& file, const std::function<bool(const Json&)>& keep);

/// Drops what a resume will log and answer again, because it stopped in the midst of `step`, from
/// the metrics and the samples in the run's folder. Roll-outs of the step stand: they were learned
/// from.
Status forget_logged_step(const std::filesystem::path& run, std::int64_t step);

}  // namespace luthier
