// SPDX-License-Identifier: GPL-3.0-or-later
// Supervised fine-tuning: position t predicts the label at t + 1 (transformers' ForCausalLMLoss).
// Only positions with a label reach the head. Where the model's configuration smooths labels
// (BLIP), so does the loss; where it writes backwards, too (VirTex), both directions' are added.
#include "engine/models/backward_writer.h"
#include "engine/models/smoothed_labels.h"
#include "engine/objectives/router_loss.h"
#include "engine/objectives/smoothed_cross_entropy.h"

namespace luthier {

namespace {

class Sft : public Objective {
 public:
  explicit Sft(const Recipe& recipe) : routers_(recipe, "sft.router_aux_loss_coef") {}

  const RowKind& row_kind() const override { return answer_rows(); }
  Status fits(const LoadedModel& base) const override {
    // The answers of a model of two texts are its decoder's, and are predicted as any others are.
    const RowForm form = base.processor ? base.processor->row_form() : RowForm::ChatTemplate;
    const bool answers = base.model->sequence_to_sequence() &&
                         (form == RowForm::SourceAnswer || form == RowForm::Source);
    if (!answers) LUTHIER_CHECK(Objective::fits(base));
    return routers_.fits(base);
  }
  WindowRule window_rule() const override { return WindowRule::Counts; }
  std::int64_t count(const MicroBatch& rows) const override { return rows.labels(); }
  LossSum loss(Policy& policy, const Batch& batch) override {
    const auto notes = routers_.notes(policy.model(), batch);
    LossSum loss = sft_loss(policy.model(), batch.input, notes);
    routers_.join(loss, policy.model(), notes);
    return loss;
  }
  bool can_be_recorded() const override { return true; }
  bool adds_up(Model& model) const override { return routers_.weight_of(model) == 0; }
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    return cross_entropy_cost(pass, head);
  }

 private:
  const RouterLoss routers_;
};

}  // namespace

namespace {

/// Both directions' sums, over one direction's tokens: either has as many.
LossSum both_directions(Model& model, BackwardWriter& backward, const ModelInput& input) {
  SequenceToSequence& forward = *model.sequence_to_sequence();
  const RowStates memory = forward.encode(input);
  const NextLabels next = next_labels(input), last = backward_labels(input);
  const auto sum_of = [&](const torch::Tensor& states, const NextLabels& labels) {
    return chunked_cross_entropy(states.index_select(0, labels.places), forward.head(),
                                 labels.labels, labels.shares);
  };
  LossSum loss;
  loss.count = next.labels.size(0);
  loss.sum = sum_of(forward.decode(input, memory, nullptr), next) +
             sum_of(backward.decode_backward(input, memory), last);
  return loss;
}

}  // namespace

LossSum sft_loss(Model& model, const ModelInput& input,
                 const std::shared_ptr<RouterNotes>& routers) {
  if (BackwardWriter* backward = backward_writer_of(model))
    return both_directions(model, *backward, input);
  const LabelledStates states = labelled_states(model, input, routers);
  LossSum loss;
  loss.count = states.target.size(0);
  const double smoothing = label_smoothing_of(model);
  loss.sum = smoothing > 0
                 ? smoothed_cross_entropy(states.hidden, model.head(), states.target, smoothing,
                                          states.shares)
                 : chunked_cross_entropy(states.hidden, model.head(), states.target, states.shares);
  return loss;
}

Result<std::unique_ptr<Objective>> make_sft(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Sft>(recipe));
}

}  // namespace luthier
