// SPDX-License-Identifier: GPL-3.0-or-later
// Answers to rows of boxes beside what their column's model is expected to write: its own notation,
// whose numbers may go by how it sees pictures. The model's folder and the picture's header are
// read for it, so that a window leaves it to another thread. No LibTorch.
#pragma once

#include <map>
#include <optional>

#include "engine/compare/comparison.h"

namespace luthier {

/// A whole answer to a row of boxes, with all that it is scored by.
struct BoxAnswer {
  Sample sample;
  std::filesystem::path folder;  ///< of the column's model
  MediaLimits image;             ///< that it sees pictures under
  std::string text;
};
/// Nothing: the answer is not whole, or is one of words, which put_answer of a row scores by the
/// row alone. Reads nothing.
std::optional<BoxAnswer> box_answer(const Comparison& comparison, std::size_t row,
                                    std::size_t column, const ComparisonAnswer& answer);

/// Its scores. The expected answer is that of the column's model, the score of boxes pairs them by
/// their labels, and there is no BLEU; where the model's folder does not say how it sees pictures,
/// there is no score of boxes. Reads that folder and the picture's header.
std::map<std::string, double> box_scores(const BoxAnswer& asked);

/// put_answer of a comparison's cell, of whichever kind of row, at once.
void put_answer(Comparison& comparison, std::size_t row, std::size_t column,
                ComparisonAnswer answer);

}  // namespace luthier
