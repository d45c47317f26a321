// SPDX-License-Identifier: GPL-3.0-or-later
// Rows whose answers a model writes itself, in the place of those that they came with, or where
// they have none.
#pragma once

#include "engine/batches/generation.h"
#include "engine/generate/generation_types.h"

namespace luthier {

/// The model, with whatever adapter is active, answers each sequence's prompt: what stands before
/// its last labelled stretch. The answer's tokens, with the end token if one came, follow the
/// prompt and are labelled; a sequence without a label stays as it is. The rows need their pixels.
/// Draws go by `options.seed` and the sequence's place alone, not by what the checkpoint says of
/// answers.
Status draw_answers(const LoadedModel& model, MicroBatch& rows, const GenerationOptions& options);

/// The same to the generation's rows, which are prompts and get one sample each. Interrupted when
/// its `go_on` says no.
Status draw_samples(const LoadedModel& model, Generation& generation,
                    const GenerationOptions& options);

}  // namespace luthier
