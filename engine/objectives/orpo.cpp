// SPDX-License-Identifier: GPL-3.0-or-later
// Odds ratio preference optimization (Hong et al. 2024), equal to the loss of TRL 1.16's
// ORPOTrainer, which takes no pictures itself: −log p of the prompt's text and the chosen answer,
// less β log σ of how the odds of the two answers lie apart, each answer by its mean over tokens.
// There is no reference.
#include "engine/objectives/preference_losses.h"
#include "engine/objectives/preference_objective.h"

namespace luthier {

namespace {

using torch::Tensor;

class Orpo : public PreferenceObjective {
 public:
  explicit Orpo(const Recipe& recipe)
      : PreferenceObjective(recipe, "orpo"), beta_(recipe.more.number("orpo.beta")) {}

  const RowKind& row_kind() const override { return whole_preference_rows(); }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const auto notes = routers().notes(policy.model(), batch);
    const LogProbs now = policy.log_probs(batch, /*temperature=*/1, notes);
    const std::vector<Tensor> both = answer_means(now, batch).chunk(2);
    const Tensor &chosen = both[0], &rejected = both[1];
    const Tensor nll =
        -now.values.log_probs.slice(0, 0, now.labels_of(now.counts.size() / 2)).mean();
    const Tensor odds = preference::log_odds(chosen, rejected), ratio = at::log_sigmoid(odds);
    LossSum result;
    result.count = chosen.size(0);
    result.sum = nll * result.count - beta_ * ratio.sum();
    const torch::NoGradGuard no_grad;
    result.figures = preference::pair_figures(beta_ * chosen, beta_ * rejected, chosen, rejected);
    result.figures["nll_loss"] = nll.detach();
    result.figures["log_odds_ratio"] = ratio.mean();
    result.figures["log_odds_chosen"] = odds.mean();
    routers().join(result, policy.model(), notes);
    return result;
  }

  /// Of the answers alone, whose means `logps` are.
  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const LogProbs now = policy.log_probs(batch);
    NamedTensors tensors = padded(now, batch);
    for (auto& [name, tensor] : tensors) {
      if (name == "logps") tensor = answer_means(now, batch).cpu();
      if (name != "token_logps" && name != "completion_mask") continue;
      std::int64_t begin = 0;
      for (std::size_t i = 0; i < now.counts.size(); ++i) {
        const std::int64_t asked = prompt_labels(batch, i);
        if (asked < now.counts[i]) {
          const auto answer = now.places[begin + asked].item<std::int64_t>();
          tensor[static_cast<std::int64_t>(i)].slice(0, 0, answer).zero_();
        }
        begin += now.counts[i];
      }
    }
    return tensors;
  }

 private:
  static std::int64_t prompt_labels(const Batch& batch, std::size_t sequence) {
    const Batch::Sequence& place = batch.sequences[sequence];
    return place.number == 0 ? batch.rows->encoded[place.row].prompt_labels : 0;
  }

  /// [2n]: log p of each answer, the mean over its tokens.
  static Tensor answer_means(const LogProbs& now, const Batch& batch) {
    std::vector<Tensor> means;
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < now.counts.size(); ++i) {
      const std::int64_t end = begin + now.counts[i];
      means.push_back(now.values.log_probs.slice(0, begin + prompt_labels(batch, i), end).mean());
      begin = end;
    }
    return at::stack(means);
  }

  const double beta_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_orpo(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Orpo>(recipe));
}

}  // namespace luthier
