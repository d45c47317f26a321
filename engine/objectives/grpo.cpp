// SPDX-License-Identifier: GPL-3.0-or-later
// Group relative policy optimization (Shao et al. 2024), equal to TRL 1.16's GRPOTrainer with
// pictures, and what its loss_type makes of it: BNPO, Dr. GRPO (Liu et al. 2025), DAPO (Yu et al.
// 2025), CISPO (MiniMax 2025), SAPO (Gao et al. 2025), LUSPO (Wang et al. 2025), VESPO; GSPO (Zheng
// et al. 2025) by importance_sampling_level: sequence. The log-probabilities are those of the
// logits over the temperature.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/objectives/sampled.h"

namespace luthier {

namespace {

using torch::Tensor;

struct GrpoSettings {
  std::string loss_type = "dapo";
  bool of_samples = false;  // importance_sampling_level: sequence
  double low = 0.2, high = 0.2;
  std::optional<double> delta, drift;
  bool weighs_distance = true;
  double top_quantile = 1, entropy = 0;
  double sapo_good = 1, sapo_bad = 1.05;
  double vespo_k_good = 2, vespo_lambda_good = 3, vespo_k_bad = 3, vespo_lambda_bad = 2;
  advantages::GroupRule group;
};

/// One micro-batch on its way to its loss. Of tokens: [labels]; of samples: [samples].
struct Terms {
  const LogProbs& now;
  const Tensor& log_probs;
  const SampledBatch samples;
  Tensor worth;      ///< of tokens: their sample's advantage
  Tensor log_ratio;  ///< of tokens, to who drew them
  Tensor ratio;      ///< of tokens or, at the level of samples, of these
  bool of_samples;

  /// Of tokens, where it is of samples.
  Tensor for_tokens(const Tensor& values) const {
    return of_samples ? values.index_select(0, now.sequence) : values;
  }
};

/// How far a sample may count by the ratio of its whole, with no gradient (VESPO).
Tensor gamma_weights(const Terms& terms, const GrpoSettings& settings) {
  const torch::NoGradGuard no_grad;
  const double least = std::log(1e-8), most = 20;
  const Tensor logs =
      terms.now.summed(terms.log_ratio.detach().clamp(-most, most)).clamp(least, most);
  const Tensor good = terms.samples.advantages >= 0;
  const auto by = [&good](double of_good, double of_bad) {
    return at::where(good, of_good, of_bad).to(torch::kFloat32);
  };
  const Tensor lambda = by(settings.vespo_lambda_good, settings.vespo_lambda_bad).clamp_min(1e-4);
  const Tensor weight = at::exp(lambda + by(settings.vespo_k_good, settings.vespo_k_bad) * logs -
                                lambda * logs.exp());
  return at::nan_to_num(weight, 0.0, 0.0, 0.0);
}

/// Which samples stay: not the bad ones that the model has moved away from.
Tensor stays_near(const Terms& terms, double most) {
  const torch::NoGradGuard no_grad;
  const Tensor drift = mean_of_samples(terms.now, terms.samples.old - terms.log_probs.detach());
  return (terms.samples.advantages >= 0).logical_or(drift <= most).to(torch::kFloat32);
}

class Grpo : public Sampled {
 public:
  Grpo(const Recipe& recipe, GrpoSettings settings)
      : Sampled(recipe, "grpo"), settings_(std::move(settings)) {}

  LossSum loss(Policy& policy, const Batch& batch) override {
    std::optional<LogProbs> reference;
    if (needs_reference()) reference = policy.reference_log_probs(batch, temperature());
    const auto notes = routers().notes(policy.model(), batch);
    const LogProbs now = log_probs(policy, batch, settings_.entropy != 0, notes);
    Terms terms{now, now.values.log_probs, sampled(now, batch), {}, {}, {}, settings_.of_samples};
    terms.worth = terms.samples.advantages.index_select(0, now.sequence);
    terms.log_ratio = terms.log_probs - terms.samples.old;
    terms.ratio =
        at::exp(settings_.of_samples ? mean_of_samples(now, terms.log_ratio) : terms.log_ratio);
    LossSum result;
    Tensor distance;
    if (reference) distance = distance_of(terms, reference->values.log_probs);
    Tensor each = of_tokens(terms, result);
    if (settings_.drift)
      each = each * stays_near(terms, *settings_.drift).index_select(0, now.sequence);
    const Tensor unsure = uncertain(now);
    if (unsure.defined()) each = each * unsure;
    if (reference) each = each + beta() * distance;
    result.sum = aggregated(terms, each, batch);
    if (settings_.entropy != 0) result.sum = result.sum - settings_.entropy * mean_of(now, unsure);
    result.count = 1;
    if (reference) result.figures["kl"] = mean_of_labels(distance.detach());
    result.figures["entropy"] = mean_of_labels(now.values.entropy.detach());
    if (now.target.numel() == 0) {
      result.figures.erase("kl");
      result.figures.erase("entropy");
    }
    routers().join(result, policy.model(), notes);
    return result;
  }

 protected:
  Result<advantages::Judged> judged(Policy&, Generation&,
                                    const advantages::Rewards& rewards) override {
    return advantages::by_group(rewards, settings_.group);
  }

 private:
  /// [labels]: the estimate r − log r − 1 of the divergence, r the reference's share of the
  /// policy's probability.
  Tensor distance_of(const Terms& terms, const Tensor& reference) const {
    const Tensor apart = reference - terms.log_probs;
    const Tensor distance = at::exp(apart) - apart - 1;
    return settings_.weighs_distance ? distance * terms.for_tokens(terms.ratio) : distance;
  }

  /// [labels]: what each token's loss is before it is masked and averaged. Tells how much was
  /// clipped.
  Tensor of_tokens(const Terms& terms, LossSum& result) const {
    const std::string& type = settings_.loss_type;
    const Tensor ratio = terms.for_tokens(terms.ratio);
    if (type == "cispo") {
      tell_cispo(terms, result);
      return -ratio.clamp_max(settings_.high).detach() * terms.worth * terms.log_probs;
    }
    if (type == "sapo") {
      const Tensor sharp =
          at::where(terms.worth > 0, settings_.sapo_good, settings_.sapo_bad).to(torch::kFloat32);
      return -at::sigmoid(sharp * (ratio - 1)) * 4 / sharp * terms.worth;
    }
    if (type == "vespo") {
      const Tensor weights = gamma_weights(terms, settings_);
      result.figures["vespo/phi_seq_mean"] = weights.mean();
      return -weights.index_select(0, terms.now.sequence) * terms.worth * terms.log_probs;
    }
    const Tensor near = ratio.clamp(1 - settings_.low, 1 + settings_.high),
                 free = settings_.delta ? ratio.clamp_max(*settings_.delta) : ratio;
    tell_clipped(terms, result);
    return -at::min(free * terms.worth, near * terms.worth);
  }

  Tensor aggregated(const Terms& terms, const Tensor& each, const Batch& batch) const {
    const std::string& type = settings_.loss_type;
    const auto samples = static_cast<double>(batch.sequences.size());
    if (type == "grpo" || type == "sapo") return mean_of_samples(terms.now, each).mean();
    if (type == "bnpo") return each.sum() / std::max<double>(1, static_cast<double>(each.numel()));
    if (type == "dr_grpo") return each.sum() / (samples * static_cast<double>(longest()));
    if (type == "luspo") return each.sum() / samples;
    return each.sum() / share_of_tokens(batch);
  }

  /// [labels] of 1 and 0: the tokens that the model is least sure of; undefined: all are meant.
  Tensor uncertain(const LogProbs& now) const {
    if (settings_.top_quantile >= 1 || now.target.numel() == 0) return {};
    const Tensor entropy = now.values.entropy.detach();
    return (entropy >= at::quantile(entropy, 1 - settings_.top_quantile)).to(torch::kFloat32);
  }

  Tensor mean_of(const LogProbs& now, const Tensor& mask) const {
    if (!mask.defined()) return mean_of_labels(now.values.entropy);
    return (now.values.entropy * mask).sum() / mask.sum().clamp_min(1);
  }

  /// Means over tokens or, at their level, over samples.
  void tell_clipped(const Terms& terms, LossSum& result) const {
    const torch::NoGradGuard no_grad;
    Tensor ratio = terms.ratio.detach();
    if (settings_.delta) ratio = ratio.clamp_max(*settings_.delta);
    if (ratio.numel() == 0) return;
    const Tensor& worth = terms.of_samples ? terms.samples.advantages : terms.worth;
    const Tensor low = (ratio < 1 - settings_.low).logical_and(worth < 0).to(torch::kFloat32),
                 high = (ratio > 1 + settings_.high).logical_and(worth > 0).to(torch::kFloat32);
    result.figures["clip_ratio/low_mean"] = low.mean();
    result.figures["clip_ratio/high_mean"] = high.mean();
    result.figures["clip_ratio/region_mean"] = at::max(low, high).mean();
    // Samples that were left out have no mean of their own.
    const auto of_samples = [&](const Tensor& values) {
      if (terms.of_samples) return values;
      const Tensor there = terms.samples.lengths > 0;
      return mean_of_samples(terms.now, values).masked_select(there);
    };
    result.figures["clip_ratio/low_min"] = of_samples(low).min();
    result.figures["clip_ratio/high_max"] = of_samples(high).max();
  }

  void tell_cispo(const Terms& terms, LossSum& result) const {
    const torch::NoGradGuard no_grad;
    if (terms.ratio.numel() == 0) return;
    const Tensor& worth = terms.of_samples ? terms.samples.advantages : terms.worth;
    result.figures["cispo_clip_ratio"] =
        (terms.ratio.detach() > settings_.high).logical_and(worth > 0).to(torch::kFloat32).mean();
  }

  const GrpoSettings settings_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_grpo(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  GrpoSettings settings;
  settings.loss_type = values.text("grpo.loss_type");
  settings.of_samples = values.text("grpo.importance_sampling_level") == "sequence";
  settings.low = values.number("grpo.epsilon");
  settings.high = values.optional_number("grpo.epsilon_high").value_or(settings.low);
  settings.delta = values.optional_number("grpo.delta");
  settings.drift = values.optional_number("grpo.off_policy_mask_threshold");
  settings.weighs_distance = values.flag("grpo.use_bias_correction_kl");
  settings.top_quantile = values.number("grpo.top_entropy_quantile");
  settings.entropy = values.number("grpo.entropy_coef");
  settings.sapo_good = values.number("grpo.sapo_temperature_pos");
  settings.sapo_bad = values.number("grpo.sapo_temperature_neg");
  settings.vespo_k_good = values.number("grpo.vespo_k_pos");
  settings.vespo_lambda_good = values.number("grpo.vespo_lambda_pos");
  settings.vespo_k_bad = values.number("grpo.vespo_k_neg");
  settings.vespo_lambda_bad = values.number("grpo.vespo_lambda_neg");
  settings.group = {values.text("grpo.scale_rewards"),
                    values.text("grpo.multi_objective_aggregation")};
  return std::unique_ptr<Objective>(std::make_unique<Grpo>(recipe, std::move(settings)));
}

}  // namespace luthier
