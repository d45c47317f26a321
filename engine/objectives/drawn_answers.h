// SPDX-License-Identifier: GPL-3.0-or-later
// Rows whose answers a model writes in the run, in the place of those that they came with, or where
// they have none. Every draw goes by its place (options.seed, the answer, the token), so that a
// resume draws the same. No answer holds a token that stands for a picture. The rows need their
// pixels.
#pragma once

#include <string>
#include <vector>

#include "engine/batches/generation.h"
#include "engine/generate/generation_types.h"

namespace luthier {

/// The model, with whatever adapter is active, answers each sequence's prompt: what stands before
/// its last labelled stretch. The answer's tokens, with the end token if one came, follow the
/// prompt and are labelled; a sequence without a label stays as it is.
Status draw_answers(const LoadedModel& model, MicroBatch& rows, GenerationOptions options);

/// The generation's rows, which are prompts, get `each` samples, which share what was made of their
/// prompt → the samples' texts, row by row. Interrupted when the generation's `go_on` says no.
Result<std::vector<std::string>> draw_samples(const LoadedModel& model, Generation& generation,
                                              std::int64_t each, GenerationOptions options);

}  // namespace luthier
