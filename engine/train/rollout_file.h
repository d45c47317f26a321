// SPDX-License-Identifier: GPL-3.0-or-later
// Samples as rows in a file: what a run has drawn (kRolloutsFile in its folder), which another
// run's `rollouts` reads again, and in a checkpoint those that the next step goes on with.
#pragma once

#include <cstdint>
#include <filesystem>

#include "engine/batches/generation.h"
#include "engine/batches/window_source.h"
#include "engine/data/rollout_log.h"

namespace luthier {

/// A line for each of the generation's rows: its prompt as messages with absolute paths, its
/// samples, rewards and old log-probabilities; beside them the step that drew it, the row's number
/// in its dataset and the samples' texts. `step` counts from 1.
Result<std::string> rollout_lines(const Generation& generation, std::int64_t step,
                                  const Tokenizer& tokenizer);
/// Behind those that are there.
Status append_rollouts(const std::filesystem::path& run, const std::string& lines);
/// The rows of such a file, with their numbers in the dataset. `reader`: how the run reads its own.
Result<MicroBatch> read_rollouts(const std::filesystem::path& file, RowReader reader);

}  // namespace luthier
