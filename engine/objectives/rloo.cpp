// SPDX-License-Identifier: GPL-3.0-or-later
// REINFORCE leave-one-out (Ahmadian et al. 2024), equal to TRL 1.16's RLOOTrainer with pictures:
// the distance from the reference is taken off a sample's reward, the other samples' mean is its
// baseline, and the ratio to who drew it is that of the whole sample.
#include "engine/objectives/sampled.h"

namespace luthier {

namespace {

using torch::Tensor;

struct RlooSettings {
  double low = 0.2, high = 0.2;
  advantages::LeaveOneOutRule rule;
};

class Rloo : public Sampled {
 public:
  Rloo(const Recipe& recipe, RlooSettings settings)
      : Sampled(recipe, "rloo"), settings_(std::move(settings)) {}

  LossSum loss(Policy& policy, const Batch& batch) override {
    const auto notes = routers().notes(policy.model(), batch);
    const LogProbs now = log_probs(policy, batch, /*learns_entropy=*/false, notes);
    const SampledBatch samples = sampled(now, batch);
    const Tensor ratio = at::exp(now.summed(now.values.log_probs) - now.summed(samples.old)),
                 near = ratio.clamp(1 - settings_.low, 1 + settings_.high);
    LossSum result;
    result.sum = -at::min(ratio * samples.advantages, near * samples.advantages).mean();
    result.count = 1;
    const torch::NoGradGuard no_grad;
    if (now.target.numel() > 0) result.figures["entropy"] = now.values.entropy.mean();
    const Tensor low = (ratio < 1 - settings_.low).logical_and(samples.advantages < 0),
                 high = (ratio > 1 + settings_.high).logical_and(samples.advantages > 0);
    const auto numbers = [](const Tensor& flags) { return flags.to(torch::kFloat32); };
    result.figures["clip_ratio/low_mean"] = numbers(low).mean();
    result.figures["clip_ratio/low_min"] = numbers(low).min();
    result.figures["clip_ratio/high_mean"] = numbers(high).mean();
    result.figures["clip_ratio/high_max"] = numbers(high).max();
    result.figures["clip_ratio/region_mean"] = numbers(low.logical_or(high)).mean();
    routers().join(result, policy.model(), notes);
    return result;
  }

 protected:
  Result<advantages::Judged> judged(Policy& policy, Generation& generation,
                                    const advantages::Rewards& rewards) override {
    Tensor penalty;
    if (needs_reference()) {
      LUTHIER_CHECK(ask_old(policy, generation));
      LUTHIER_TRY(const Distance distance, distance_from_reference(policy, generation));
      penalty = beta() * distance.of_samples;
      generation.figures["kl"] = distance.mean;
    }
    return advantages::by_the_others(rewards, settings_.rule, penalty);
  }

 private:
  const RlooSettings settings_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_rloo(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  RlooSettings settings;
  settings.low = values.number("rloo.epsilon");
  settings.high = values.optional_number("rloo.epsilon_high").value_or(settings.low);
  settings.rule.normalize = values.flag("rloo.normalize_advantages");
  const std::vector<std::string> range = values.names("rloo.reward_clip_range");
  if (!range.empty()) settings.rule.range = {std::stod(range.front()), std::stod(range.back())};
  return std::unique_ptr<Objective>(std::make_unique<Rloo>(recipe, std::move(settings)));
}

}  // namespace luthier
