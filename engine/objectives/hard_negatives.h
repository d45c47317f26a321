// SPDX-License-Identifier: GPL-3.0-or-later
// Pairs for image-text matching with hard negatives (Li et al. 2021): of each row of a window its
// own pair, its text beside another's picture, and another's text beside its picture. The others
// are drawn by how alike the contrastive side finds them: softmax of the likenesses + 1e-4, its own
// left out. The draws are two numbers a row, from the seed of its micro-batch and its place there:
// the picture's, then the text's.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/batches/batch.h"
#include "engine/models/two_towers/pair_matcher.h"

namespace luthier {

/// Gives each row its two numbers of [0, 1) (EncodedRow::targets).
void draw_negatives(MicroBatch& rows, std::uint64_t seed);

/// Those numbers, sequence by sequence.
struct NegativeDraws {
  std::vector<double> pictures, texts;
};
NegativeDraws negative_draws(const Batch& batch);

/// Own pairs, then each text beside the other picture that its number falls on, then each picture
/// beside the other text. `texts` [rows, rows]: logits of each text among the pictures; `pictures`
/// [rows, rows]: of each picture among the texts. Of one row its own pair alone.
PairMatcher::Pairs pairs_with_negatives(const torch::Tensor& texts, const torch::Tensor& pictures,
                                        const NegativeDraws& draws);

/// What came of such pairs: scores [pairs, 2] float32, whose first `rows` belong together.
struct MatchedPairs {
  torch::Tensor loss;   ///< [] the mean cross-entropy over all pairs
  torch::Tensor right;  ///< [] float32: the share of pairs that were told right
};
MatchedPairs matched_pairs(const torch::Tensor& scores, std::int64_t rows);

/// The share of rows [rows, columns] whose own column, that of their place, is the likest: [].
torch::Tensor own_found(const torch::Tensor& logits);

}  // namespace luthier
