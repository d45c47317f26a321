// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/scored.h"

#include <algorithm>

#include "engine/models/cost.h"
#include "engine/models/score_head.h"

namespace luthier {

ScoredPlaces last_places(const Batch& batch) {
  ScoredPlaces places;
  const std::vector<LyingSequence> lying = lying_sequences(batch);
  for (std::size_t sequence = 0; sequence < lying.size(); ++sequence) {
    const std::vector<TokenId>& ids = batch.example(sequence).input_ids;
    const auto last =
        std::find_if(ids.rbegin(), ids.rend(), [&](TokenId id) { return id != batch.padding; });
    const std::int64_t behind = ids.rend() - last;  // of the token; 0: there is none
    places.tokens.push_back(lying[sequence].place(std::max<std::int64_t>(0, behind - 1)));
    places.counts.push_back(1);
  }
  return places;
}

ScoredPlaces labelled_places(const Batch& batch, bool last_only) {
  ScoredPlaces places;
  const std::vector<LyingSequence> lying = lying_sequences(batch);
  for (std::size_t sequence = 0; sequence < lying.size(); ++sequence) {
    const std::vector<std::int64_t>& labels = batch.example(sequence).labels;
    const std::size_t before = places.tokens.size();
    for (std::size_t at = 0; at < labels.size(); ++at) {
      if (labels[at] == kIgnoreLabel) continue;
      if (last_only) places.tokens.resize(before);
      places.tokens.push_back(lying[sequence].place(static_cast<std::int64_t>(at)));
    }
    places.counts.push_back(static_cast<std::int64_t>(places.tokens.size() - before));
  }
  return places;
}

torch::Tensor scores_at(Model& model, const Batch& batch, const ScoredPlaces& places) {
  const Linear head = score_head(model);
  TORCH_CHECK(head, "the model has no head of scores");
  const torch::Tensor there =
      torch::tensor(places.tokens, torch::kInt64).to(batch.input.input_ids.device());
  return head->forward(states_at(model, batch.input, there)).to(torch::kFloat32);
}

/// The states and their gradient stand while the loss, a few numbers a state, is made.
LossCost ScoredObjective::cost(const Pass& pass, const HeadCost& head) const {
  constexpr std::int64_t kNumbers = 8;
  return {last_state_bytes(pass, head) + kNumbers * pass.terms.floats(pass.labels), 0};
}

}  // namespace luthier
