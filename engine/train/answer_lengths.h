// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that a run answers itself must leave their answers room among the model's positions: said
// before the first step, by the row's name, where an answer of full length would come to it later.
// Of rows that bring their answers along, those must fit.
#pragma once

#include "engine/train/run_parts.h"

namespace luthier {

/// Input error that names the recipe's setting (`grpo.max_completion_length`) where a row's prompt
/// and the longest answer to it, which is then learned from as one row, are more tokens than the
/// model has positions for; or the row's `completion_ids` where it brings its answers along. Of the
/// rows that are trained on, and of those to evaluate on where an evaluation answers them, too.
/// Nothing where the model has no end, or the run draws no answers.
Status check_answer_lengths(const RunParts& run);

/// Input error at the setting that names the reference where that is a model of fewer positions
/// than a row needs, with the longest answer to it where it is answered.
Status check_reference_lengths(const RunParts& run, const LoadedModel& reference);

/// Input error that names a row whose given samples the objective cannot learn from (their number,
/// their tokens, what they are worth), of the rows trained on and of those to evaluate on. Nothing
/// where the run draws its samples itself.
Status check_given_samples(const RunParts& run);

}  // namespace luthier
