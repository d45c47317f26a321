// SPDX-License-Identifier: GPL-3.0-or-later
// One row of a batch as batch_look.h shows it: its tokens, what the model says of its labels, and
// who sees whom, which is asked of the model itself: one token after another is exchanged, and
// whose state moves with it has seen it.
#pragma once

#include <string>
#include <vector>

#include "engine/lab/batch_look.h"
#include "engine/objectives/objective.h"

namespace luthier {

/// Row `number` of a micro-batch as the objective has made it; `written`: as it was before.
/// `asks`: with what the model says of each label. Needs no gradients and a model in evaluation.
Result<LookRow> look_at_row(Policy& policy, Objective& objective, const MicroBatch& written,
                            const MicroBatch& batch, std::size_t number, bool asks);

/// How alike each text and picture of the batch are, scaled, text by text.
std::vector<double> likeness_of(Policy& policy, const Objective& objective,
                                const MicroBatch& batch);

}  // namespace luthier
