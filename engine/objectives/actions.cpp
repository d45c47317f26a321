// SPDX-License-Identifier: GPL-3.0-or-later
// OpenVLA's objective (Kim et al. 2024): the next token's cross-entropy over an action's tokens and
// the end behind them. Its figures are the authors': the share of action tokens that are said
// right, and how far the actions lie apart that they stand for, on the scale from −1 to 1.
#include "engine/models/cost.h"
#include "engine/objectives/head_loss.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

using torch::Tensor;

class Actions : public Objective {
 public:
  const RowKind& row_kind() const override { return action_rows(); }
  WindowRule window_rule() const override { return WindowRule::Counts; }
  Status fits(const LoadedModel& base) const override {
    LUTHIER_CHECK(Objective::fits(base));
    if (base.processor && base.processor->actions()) return {};
    return input_error(
        "A model of type " + std::string(base.family->model_type) + " moves no robot.", "objective",
        "Choose openvla, or sft for this model.");
  }
  std::int64_t count(const MicroBatch& rows) const override { return rows.labels(); }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const LabelledStates states = labelled_states(policy.model(), batch.input, {});
    LossSum result;
    result.count = states.target.size(0);
    if (result.count == 0) return result;
    const Tensor logits = policy.model().head()->forward(states.hidden).to(torch::kFloat32);
    result.sum = at::cross_entropy_loss(logits, states.target, {}, at::Reduction::Sum);
    result.figures = figures(*policy.base().processor->actions(), logits.detach(), states.target);
    return result;
  }

  /// A row has a few labels, so their logits stand whole: beside them their logarithms and both
  /// gradients.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    const WeightGradient weight = weight_gradient(pass.terms, head);
    return {last_state_bytes(pass, head) + weight.handed_on +
                4 * pass.terms.floats(pass.labels * head.vocabulary),
            weight.sum};
  }

 private:
  static std::map<std::string, Tensor> figures(const ActionOptions& actions, const Tensor& logits,
                                               const Tensor& target) {
    const torch::NoGradGuard no_grad;
    const Tensor acts =
        target.ge(actions.words - actions.bins).logical_and(target.lt(actions.words));
    const Tensor wanted = target.masked_select(acts);
    const Tensor said = logits.argmax(1).masked_select(acts);
    const double width = 2.0 / static_cast<double>(actions.bins - 1);
    const auto middle = [&](const Tensor& tokens) {
      const Tensor bin = (actions.words - 1 - tokens).clamp(0, actions.bins - 2);
      return (bin.to(torch::kFloat32) + 0.5) * width - 1;
    };
    return {{"action_accuracy", said.eq(wanted).to(torch::kFloat32).mean()},
            {"action_l1", (middle(said) - middle(wanted)).abs().mean()}};
  }
};

}  // namespace

Result<std::unique_ptr<Objective>> make_actions(const Recipe&) {
  return std::unique_ptr<Objective>(std::make_unique<Actions>());
}

}  // namespace luthier
