// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that a run answers itself must leave their answers room among the model's positions: said
// before the first step, by the row's name, where an answer of full length would come to it later.
#pragma once

#include "engine/train/run_parts.h"

namespace luthier {

/// Input error that names the recipe's setting (`grpo.max_completion_length`) where a row's prompt
/// and the longest answer to it, which is then learned from as one row, are more tokens than the
/// model has positions for. Nothing where the model has no end, or the run draws no answers.
Status check_answer_lengths(const RunParts& run);

}  // namespace luthier
