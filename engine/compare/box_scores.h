// SPDX-License-Identifier: GPL-3.0-or-later
// Answers to rows of boxes beside what their column's model is expected to write: its own notation,
// whose numbers may go by how it sees pictures. No LibTorch.
#pragma once

#include "engine/compare/comparison.h"

namespace luthier {

/// put_answer of a comparison's cell. To a row of boxes the expected answer is that of the model of
/// the column, the score of boxes pairs them by their labels, and there is no BLEU; where the
/// model's folder does not say how it sees pictures, there is no score of boxes.
void put_answer(Comparison& comparison, std::size_t row, std::size_t column,
                ComparisonAnswer answer);

}  // namespace luthier
