// SPDX-License-Identifier: GPL-3.0-or-later
// Kahneman-Tversky optimization (Ethayarajh et al. 2024), equal to TRL 1.16's KTOTrainer with its
// picture collator. What the loss kto measures from is the mean, over the micro-batch, of policy −
// reference of each prompt with the answer of the row before it (the first one takes the last
// one's), not below 0 and without a gradient; the prompt's pictures stay with the prompt.
#include <algorithm>

#include "engine/objectives/preference_losses.h"
#include "engine/objectives/unpaired.h"

namespace luthier {

namespace {

using torch::Tensor;

/// Where the row's answer begins among its tokens.
std::int64_t answer_start(const Example& row) {
  const auto first = std::find_if(row.labels.begin(), row.labels.end(),
                                  [](std::int64_t label) { return label != kIgnoreLabel; });
  return first - row.labels.begin();
}

/// Each row's prompt with the answer of the one before it, cut at `max_length` as a row of its own
/// would be.
MicroBatch with_answers_before(const MicroBatch& rows, std::int64_t max_length) {
  MicroBatch others;
  const std::size_t count = rows.encoded.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Example& own = rows.encoded[i].sequences.front();
    const EncodedRow& before = rows.encoded[(i + count - 1) % count];
    const Example& other = before.sequences.front();
    std::vector<TokenId> answer = before.whole_answer;
    if (answer.empty())
      answer.assign(other.input_ids.begin() + answer_start(other), other.input_ids.end());
    Example mixed = without_pixels(own, own.images);
    mixed.truncated_tokens = 0;
    const auto prompt = static_cast<std::size_t>(answer_start(own));
    mixed.input_ids.resize(prompt);
    mixed.labels.resize(prompt);
    mixed.input_ids.insert(mixed.input_ids.end(), answer.begin(), answer.end());
    mixed.labels.insert(mixed.labels.end(), answer.begin(), answer.end());
    const auto room = max_length - static_cast<std::int64_t>(mixed.source_ids.size());
    if (max_length > 0 && static_cast<std::int64_t>(mixed.input_ids.size()) > room) {
      const auto left = static_cast<std::size_t>(std::max<std::int64_t>(1, room));
      mixed.input_ids.resize(left);
      mixed.labels.resize(left);
    }
    EncodedRow& row = others.encoded.emplace_back();
    row.sequences.push_back(std::move(mixed));
    others.rows.push_back(rows.rows[i]);
    others.cached.emplace_back();
  }
  return others;
}

class Kto : public Unpaired {
 public:
  explicit Kto(const Recipe& recipe)
      : Unpaired(recipe, "kto"),
        measures_(recipe.more.text("kto.loss_type") == "kto"),
        good_weight_(recipe.more.number("kto.desirable_weight")),
        bad_weight_(recipe.more.number("kto.undesirable_weight")),
        max_length_(recipe.training.max_length) {}

 protected:
  LogProbs ask_reference(Policy& policy, const Batch& batch) override {
    if (!measures_) {
      kl_ = torch::zeros({}, torch::kFloat32).to(policy.model().device());
      return policy.reference_log_probs(batch);
    }
    const torch::NoGradGuard no_grad;
    const MicroBatch others = with_answers_before(*batch.rows, max_length_);
    const Batch beside = policy.beside(others, batch);
    const LogProbs now = policy.log_probs(beside);
    const auto [own, before] = policy.reference_log_probs_of_both(batch, beside);
    kl_ = (now.summed(now.values.log_probs) - before.summed(before.values.log_probs))
              .mean()
              .clamp_min(0);
    return own;
  }

  Tensor terms(const Tensor& ratios, const Tensor& signs, bool) override {
    const Tensor weights = at::where(signs > 0, good_weight_, bad_weight_).to(ratios.dtype());
    return weights * preference::kto_loss(ratios, signs, kl_, beta());
  }

  void add_figures(const LogProbs& now, const std::vector<bool>& good,
                   LossSum& result) const override {
    result.figures["kl"] = kl_;
    result.figures["entropy"] = now.values.entropy.mean();
    const std::vector<Tensor> each = now.values.mean_logits.split_with_sizes(now.counts);
    for (const bool wanted : {true, false}) {
      std::vector<Tensor> some;
      for (std::size_t i = 0; i < good.size(); ++i)
        if (good[i] == wanted && now.counts[i] > 0) some.push_back(each[i]);
      if (!some.empty())
        result.figures[wanted ? "logits/chosen" : "logits/rejected"] = at::cat(some).mean();
    }
  }

 private:
  const bool measures_;
  const double good_weight_, bad_weight_;
  const std::int64_t max_length_;
  Tensor kl_;  ///< of the batch that is asked about
};

}  // namespace

Result<std::unique_ptr<Objective>> make_kto(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Kto>(recipe));
}

}  // namespace luthier
