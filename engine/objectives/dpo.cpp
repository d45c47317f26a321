// SPDX-License-Identifier: GPL-3.0-or-later
// Direct preference optimization, equal to TRL 1.16's DPOTrainer with its picture collator: chosen
// and rejected answers go through the policy together and through the reference without a graph.
// Several losses are summed by their weights (MPO, Wang et al. 2024); LD-DPO (Liu et al. 2024)
// weighs the longer answer's surplus, WPO (Zhou et al. 2024) weighs pairs.
#include <algorithm>

#include "engine/objectives/asked_in_shares.h"
#include "engine/objectives/asked_log_probs.h"
#include "engine/objectives/dpo_losses.h"
#include "engine/objectives/preference_losses.h"
#include "engine/objectives/preference_objective.h"

namespace luthier {

namespace {

using torch::Tensor;

struct DpoSettings {
  std::vector<std::pair<dpo::PairLoss, double>> losses;
  double beta = 0.1, smoothing = 0, alpha = 0.5, tau = 0.05;
  std::string divergence, reference;
  std::optional<double> length_weight;
  bool weighs_pairs = false, reference_free = false, asks_beforehand = false;
  ReferenceMoves moves;
};

class Dpo : public PreferenceObjective, public AskedInShares {
 public:
  Dpo(DpoSettings settings, const Recipe& recipe)
      : PreferenceObjective(recipe, "dpo"), settings_(std::move(settings)) {}

  const RowKind& row_kind() const override { return preference_rows(); }
  bool needs_reference() const override { return !settings_.reference_free; }
  std::string reference_checkpoint() const override { return settings_.reference; }
  bool asks_reference_beforehand() const override { return settings_.asks_beforehand; }
  ReferenceMoves reference_moves() const override { return settings_.moves; }

  Status ask_beforehand(Policy& policy, const MicroBatch& rows, bool evaluation) override {
    return take_answer(answer_beforehand(policy, rows), evaluation);
  }
  Json answer_beforehand(Policy& policy, const MicroBatch& rows) override {
    return AskedLogProbs::ask(policy, rows, row_kind().order());
  }
  Status take_answer(const Json& said, bool evaluation) override {
    asked_.take(said, evaluation);
    answered_ = true;
    return {};
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    // Asked first, while what the policy's pass keeps for the backward is not there yet.
    std::optional<LogProbs> before;
    if (!settings_.reference_free)
      before = answered_ ? asked_.of(batch, /*evaluation=*/!policy.trains())
                         : policy.reference_log_probs(batch);
    const auto notes = routers().notes(policy.model(), batch);
    const LogProbs now = policy.log_probs(batch, /*temperature=*/1, notes);
    const Tensor reference = before ? answers(*before) : torch::zeros_like(now.lengths());
    const dpo::Terms terms = terms_of(now, reference);
    Tensor sum;
    for (const auto& [loss, weight] : settings_.losses) {
      Tensor pairs = loss(terms);
      if (settings_.weighs_pairs) pairs = pairs * pair_weights(now);
      const Tensor share = pairs.sum() * weight;
      sum = sum.defined() ? sum + share : share;
    }
    LossSum result;
    result.sum = sum;
    result.count = terms.chosen.size(0);
    result.figures = figures(now, terms);
    routers().join(result, policy.model(), notes);
    return result;
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const LogProbs now = policy.log_probs(batch);
    NamedTensors tensors = padded(now, batch);
    for (auto& [name, tensor] : tensors)
      if (name == "logps") tensor = answers(now).cpu();
    if (!settings_.reference_free)
      tensors.emplace_back("ref_logps", answers(policy.reference_log_probs(batch)).cpu());
    return tensors;
  }

 private:
  /// [2n]: each answer's log-probability, the surplus of a pair's longer one weighed.
  Tensor answers(const LogProbs& probs) const {
    if (!settings_.length_weight) return probs.summed(probs.values.log_probs);
    std::vector<float> weights;
    const std::size_t pairs = probs.counts.size() / 2;
    for (std::size_t i = 0; i < probs.counts.size(); ++i) {
      const std::int64_t shared =
          std::min(probs.counts[i % pairs], probs.counts[i % pairs + pairs]);
      for (std::int64_t at = 0; at < probs.counts[i]; ++at)
        weights.push_back(at < shared ? 1.f : static_cast<float>(*settings_.length_weight));
    }
    const Tensor& each = probs.values.log_probs;
    return probs.summed(each * torch::tensor(weights).to(each.device()));
  }

  dpo::Terms terms_of(const LogProbs& now, const Tensor& reference) const {
    dpo::Terms terms;
    const auto halves = [](const Tensor& both, Tensor& chosen, Tensor& rejected) {
      const std::vector<Tensor> parts = both.chunk(2);
      chosen = parts[0];
      rejected = parts[1];
    };
    halves(answers(now), terms.chosen, terms.rejected);
    halves(reference, terms.reference_chosen, terms.reference_rejected);
    terms.chosen_ratio = terms.chosen - terms.reference_chosen;
    terms.rejected_ratio = terms.rejected - terms.reference_rejected;
    terms.chosen_score =
        dpo::divergence_score(terms.chosen_ratio, settings_.divergence, settings_.alpha);
    terms.rejected_score =
        dpo::divergence_score(terms.rejected_ratio, settings_.divergence, settings_.alpha);
    halves(now.lengths(), terms.chosen_tokens, terms.rejected_tokens);
    const std::int64_t chosen = now.labels_of(now.counts.size() / 2);
    terms.chosen_nll =
        -now.values.log_probs.slice(0, 0, chosen).mean().expand(terms.chosen.size(0));
    terms.beta = settings_.beta;
    terms.smoothing = settings_.smoothing;
    terms.tau = settings_.tau;
    return terms;
  }

  /// How likely the policy finds both answers of a pair, measured against its own certainty.
  static Tensor pair_weights(const LogProbs& now) {
    const torch::NoGradGuard no_grad;
    const Tensor sums = now.summed(now.values.log_probs - now.values.log_sum_sq_probs);
    const std::vector<Tensor> both = at::exp(sums / now.lengths().clamp_min(1)).chunk(2);
    return both[0] * both[1];
  }

  std::map<std::string, Tensor> figures(const LogProbs& now, const dpo::Terms& terms) const {
    const torch::NoGradGuard no_grad;
    const std::int64_t chosen = now.labels_of(now.counts.size() / 2), all = now.target.size(0);
    const auto mean = [](const Tensor& values, std::int64_t from, std::int64_t to) {
      return to > from ? values.slice(0, from, to).mean() : torch::zeros({}, values.options());
    };
    const Tensor good = settings_.beta * terms.chosen_ratio,
                 bad = settings_.beta * terms.rejected_ratio;
    auto figures = preference::pair_figures(good, bad, terms.chosen, terms.rejected);
    figures["logits/chosen"] = mean(now.values.mean_logits, 0, chosen);
    figures["logits/rejected"] = mean(now.values.mean_logits, chosen, all);
    figures["entropy"] = mean(now.values.entropy, 0, all);
    figures["mean_token_accuracy"] = mean(now.values.is_top1, 0, chosen);
    return figures;
  }

  const DpoSettings settings_;
  AskedLogProbs asked_;
  bool answered_ = false;  ///< it was asked about all rows
};

}  // namespace

Result<std::unique_ptr<Objective>> make_dpo(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  DpoSettings settings;
  const std::vector<std::string> names = values.names("dpo.loss_type"),
                                 weights = values.names("dpo.loss_weights");
  for (std::size_t i = 0; i < names.size(); ++i) {
    const dpo::PairLoss loss = dpo::find_loss(names[i]);
    if (!loss)
      return input_error("There is no loss of a pair called " + names[i] + ".", "dpo.loss_type");
    settings.losses.emplace_back(loss, weights.empty() ? 1.0 : std::stod(weights[i]));
  }
  settings.beta = values.number("dpo.beta");
  settings.smoothing = values.number("dpo.label_smoothing");
  settings.divergence = values.text("dpo.f_divergence_type");
  settings.alpha = values.number("dpo.f_alpha_divergence_coef");
  settings.length_weight = values.optional_number("dpo.ld_alpha");
  settings.weighs_pairs = values.flag("dpo.use_weighting");
  settings.reference = values.text("ref_model");
  settings.tau = values.number("dpo.discopop_tau");
  settings.reference_free = values.flag("dpo.reference_free");
  settings.asks_beforehand = values.flag("dpo.precompute_ref_log_probs");
  if (values.flag("dpo.sync_ref_model"))
    settings.moves = {values.integer("dpo.ref_model_sync_steps"),
                      values.number("dpo.ref_model_mixup_alpha")};
  return std::unique_ptr<Objective>(std::make_unique<Dpo>(std::move(settings), recipe));
}

}  // namespace luthier
