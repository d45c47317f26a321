// SPDX-License-Identifier: GPL-3.0-or-later
// Supervised fine-tuning: position t predicts the label at t + 1 (transformers' ForCausalLMLoss).
// Only positions with a label reach the head. Of a model with mixtures of experts the loss that
// keeps these evenly used joins it as in TRL's SFTTrainer: where its text config has
// `output_router_logits`, or where the recipe says by how much.
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

constexpr const char* kRouterLoss = "sft.router_aux_loss_coef";

class Sft : public Objective {
 public:
  explicit Sft(const Recipe& recipe) : asked_(recipe.more.optional_number(kRouterLoss)) {}

  const RowKind& row_kind() const override { return answer_rows(); }
  Status fits(const LoadedModel& base) const override {
    LUTHIER_CHECK(Objective::fits(base));
    if (!asked_ || *asked_ == 0 || base.model->causal()->experts()) return {};
    return input_error("The model has no experts that could be used unevenly.", kRouterLoss,
                       "Leave it empty.");
  }
  WindowRule window_rule() const override { return WindowRule::Counts; }
  std::int64_t count(const MicroBatch& rows) const override { return rows.labels(); }
  LossSum loss(Policy& policy, const Batch& batch) override {
    const double weight = router_loss_of(policy.model());
    if (weight == 0) return sft_loss(policy.model(), batch.input);
    const auto routers = std::make_shared<RouterNotes>();
    routers->rows = batch.sequences.size();
    LossSum loss = sft_loss(policy.model(), batch.input, routers);
    const torch::Tensor uneven = routers->loss();
    loss.beside = uneven * weight;
    loss.figures["aux_loss"] = uneven.detach();
    return loss;
  }
  bool can_be_recorded() const override { return true; }
  bool adds_up(Model& model) const override { return router_loss_of(model) == 0; }
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    return cross_entropy_cost(pass, head);
  }

 private:
  double router_loss_of(Model& model) const {
    const ExpertOptions* experts = model.causal()->experts();
    if (!experts) return 0;
    return asked_.value_or(experts->tells_routing ? experts->router_aux_loss_coef : 0);
  }

  std::optional<double> asked_;
};

}  // namespace

LossSum sft_loss(Model& model, const ModelInput& input,
                 const std::shared_ptr<RouterNotes>& routers) {
  const LabelledStates states = labelled_states(model, input, routers);
  LossSum loss;
  loss.count = states.target.size(0);
  loss.sum = chunked_cross_entropy(states.hidden, model.head(), states.target, states.shares);
  return loss;
}

Result<std::unique_ptr<Objective>> make_sft(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Sft>(recipe));
}

}  // namespace luthier
