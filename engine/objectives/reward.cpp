// SPDX-License-Identifier: GPL-3.0-or-later
// A reward model from pairs of answers, equal to the loss of TRL 1.16's RewardTrainer, which takes
// no pictures itself: −log σ(chosen − rejected − margin), and the coefficient times the square of
// their sum. A reward is the score of the last token that is not the padding's.
#include "engine/objectives/preference_losses.h"
#include "engine/objectives/scored.h"

namespace luthier {

namespace {

using torch::Tensor;

class RewardObjective : public ScoredObjective {
 public:
  explicit RewardObjective(std::optional<double> centre) : centre_(centre) {}

  const RowKind& row_kind() const override { return preference_rows(); }
  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }
  std::int64_t score_numbers() const override { return 1; }
  std::int64_t states_used(std::int64_t /*labels*/, std::int64_t sequences) const override {
    return sequences;
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const Tensor rewards = rewards_of(policy, batch);
    const std::vector<Tensor> both = rewards.chunk(2);
    const Tensor &chosen = both[0], &rejected = both[1];
    LossSum result;
    result.count = chosen.size(0);
    result.sum = preference::reward_loss(chosen, rejected, margins(batch), centre_).sum();
    const torch::NoGradGuard no_grad;
    result.figures = {{"min_reward", rewards.min().detach()},
                      {"mean_reward", rewards.mean().detach()},
                      {"max_reward", rewards.max().detach()},
                      {"accuracy", (chosen > rejected).to(torch::kFloat32).mean()},
                      {"margin", (chosen - rejected).mean().detach()}};
    return result;
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    NamedTensors tensors = padded_tokens(batch);
    tensors.emplace_back("rewards", rewards_of(policy, batch).cpu());
    return tensors;
  }

 private:
  /// [2n]: the chosen answers', then the rejected ones'.
  static Tensor rewards_of(Policy& policy, const Batch& batch) {
    return scores_at(policy.model(), batch, last_places(batch)).squeeze(1);
  }

  /// [n]: by how much each row says that its chosen answer is better; 0 where it does not.
  static Tensor margins(const Batch& batch) {
    std::vector<double> margins;
    for (const EncodedRow& row : batch.rows->encoded) {
      const auto found = row.numbers.find("margin");
      margins.push_back(found == row.numbers.end() ? 0 : found->second);
    }
    return torch::tensor(margins, torch::kFloat32).to(batch.input.input_ids.device());
  }

  const std::optional<double> centre_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_reward(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<RewardObjective>(
      recipe.more.optional_number("reward.center_rewards_coefficient")));
}

}  // namespace luthier
