// SPDX-License-Identifier: GPL-3.0-or-later
// What the objectives of reward models have in common: the last states at a few places of each
// sequence go through the model's head of scores, and no logits are made.
#pragma once

#include <vector>

#include "engine/objectives/objective.h"

namespace luthier {

/// Places in the sequences of a batch.
struct ScoredPlaces {
  std::vector<std::int64_t> tokens;  ///< into the batch's tokens
  std::vector<std::int64_t> counts;  ///< how many of each sequence
};
/// Of each sequence the last token whose id is not the padding's; where all are, the first.
ScoredPlaces last_places(const Batch& batch);
/// All labelled tokens, in their order; `last_only`: of each sequence the last one.
ScoredPlaces labelled_places(const Batch& batch, bool last_only);

/// The scores there, in float32: [places, numbers]. The model must have a head of them.
torch::Tensor scores_at(Model& model, const Batch& batch, const ScoredPlaces& places);

class ScoredObjective : public Objective {
 public:
  bool dropout() const override { return false; }  // TRL's disable_dropout
  LossCost cost(const Pass& pass, const HeadCost& head) const override;
};

}  // namespace luthier
