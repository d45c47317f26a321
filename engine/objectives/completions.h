// SPDX-License-Identifier: GPL-3.0-or-later
// What is asked and told of the samples of a generation, whatever is learned from them.
#pragma once

#include <string>

#include "engine/batches/generation.h"

namespace luthier {

/// Where the row stands in its file, for errors.
std::string where_of(const EncodedRow& row);

/// Whether an answer came to its end: its last token is one of the model's end tokens or the
/// tokenizer's padding.
bool has_ended(const LoadedModel& base, const RowSample& sample);

/// Whether one of the model's end tokens stands anywhere in it.
bool holds_end(const LoadedModel& base, const RowSample& sample);

/// The sum of those of its rewards that are there; NaN where none is.
double sum_of_rewards(const RowSample& sample);

/// An Input error where a row has no samples, or one holds a token that the model does not have.
Status check_completions(const LoadedModel& base, const EncodedRow& row);
Status check_completions(const LoadedModel& base, const Generation& generation);

/// TRL's completions/mean_length, min_length, max_length and clipped_ratio, into the generation's
/// figures. There must be a sample.
void tell_completions(const LoadedModel& base, Generation& generation);

}  // namespace luthier
