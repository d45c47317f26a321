// SPDX-License-Identifier: GPL-3.0-or-later
// Binary classifier optimization (Jung et al. 2024), equal to the loss of TRL 1.9's BCOTrainer (its
// last one, without a prompt classifier): rewards of good answers are to lie above δ and those of
// bad ones below, δ the mean of all rewards that training has met, those of the batch itself
// included. δ is part of a checkpoint.
#include <cmath>

#include "engine/objectives/preference_losses.h"
#include "engine/objectives/unpaired.h"

namespace luthier {

namespace {

using torch::Tensor;

class Bco : public Unpaired {
 public:
  explicit Bco(const Recipe& recipe) : Unpaired(recipe, "bco") {}

  Json state() const override { return {{"delta", delta_}, {"rewards", rewards_}}; }
  Status read_state(const Json& state, const std::string& where) override {
    LUTHIER_TRY(delta_, json_number(state, "delta", where, 0));
    LUTHIER_TRY(rewards_, json_int(state, "rewards", where));
    if (rewards_ < 0) return input_error("The number of rewards is negative.", where + ": rewards");
    return {};
  }
  void carry(const Json& addition) override {
    const auto more = addition.at("rewards").get<std::int64_t>();
    rewards_ += more;
    delta_ += (addition.at("mean").get<double>() - delta_) * static_cast<double>(more) /
              static_cast<double>(rewards_);
  }

 protected:
  Tensor terms(const Tensor& ratios, const Tensor& signs, bool trains) override {
    const Tensor rewards = beta() * ratios;
    if (trains) learn_delta(rewards.detach());
    return preference::bco_loss(rewards, signs, delta_);
  }

  void add_figures(const LogProbs& now, const std::vector<bool>&, LossSum& result) const override {
    result.figures["delta"] = torch::full({}, delta_, now.values.log_probs.options());
  }

 private:
  /// A batch whose mean is not finite is left out: its step changes no weight either.
  void learn_delta(const Tensor& rewards) {
    const auto mean = rewards.mean().item<double>();
    if (!std::isfinite(mean)) return;
    add_to_state({{"mean", mean}, {"rewards", rewards.size(0)}});
  }

  double delta_ = 0;
  std::int64_t rewards_ = 0;  ///< that δ is the mean of
};

}  // namespace

Result<std::unique_ptr<Objective>> make_bco(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Bco>(recipe));
}

}  // namespace luthier
