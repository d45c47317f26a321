// SPDX-License-Identifier: GPL-3.0-or-later
// Supervised fine-tuning: position t predicts the label at t + 1 (transformers' ForCausalLMLoss).
// Only positions with a label reach the head.
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

class Sft : public Objective {
 public:
  const RowKind& row_kind() const override { return answer_rows(); }
  WindowRule window_rule() const override { return WindowRule::Counts; }
  std::int64_t count(const MicroBatch& rows) const override { return rows.labels(); }
  LossSum loss(Policy& policy, const Batch& batch) override {
    return sft_loss(policy.model(), batch.input);
  }
  bool can_be_recorded() const override { return true; }
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    return cross_entropy_cost(pass, head);
  }
};

}  // namespace

LossSum sft_loss(Model& model, const ModelInput& input) {
  const LabelledStates states = labelled_states(model, input);
  LossSum loss;
  loss.count = states.target.size(0);
  loss.sum = chunked_cross_entropy(states.hidden, model.head(), states.target, states.shares);
  return loss;
}

Result<std::unique_ptr<Objective>> make_sft(const Recipe&) {
  return std::unique_ptr<Objective>(std::make_unique<Sft>());
}

}  // namespace luthier
