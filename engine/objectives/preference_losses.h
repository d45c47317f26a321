// SPDX-License-Identifier: GPL-3.0-or-later
// Losses of answers that somebody preferred or judged, from their log-probabilities, and the
// figures that TRL's trainers log of them. Those of DPO, which are many, stand in dpo_losses.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/device/torch.h"

namespace luthier::preference {

/// ORPO (Hong et al. 2024): log odds(chosen) − log odds(rejected), of n pairs' mean
/// log-probabilities [n] → [n].
torch::Tensor log_odds(const torch::Tensor& chosen, const torch::Tensor& rejected);

/// Of TRL's CPOTrainer.
struct CpoSettings {
  std::string loss_type;  ///< sigmoid | hinge | ipo | simpo
  double beta = 0.1, smoothing = 0, gamma = 0.5, alpha = 0;

  /// Whether an answer counts by its mean over tokens, not by its sum.
  bool by_mean() const { return loss_type == "ipo" || loss_type == "simpo"; }
};
/// AlphaPO (Gupta et al. 2025): (1 − p^(−alpha)) / alpha of log p [n]; with alpha 0 log p itself.
torch::Tensor alpha_reward(const torch::Tensor& log_probs, double alpha);
/// CPO (Xu et al. 2024), SimPO (Meng et al. 2024): [n], of rewards [n] as alpha_reward makes them.
torch::Tensor cpo_loss(const torch::Tensor& chosen, const torch::Tensor& rejected,
                       const CpoSettings& settings);

/// KTO (Ethayarajh et al. 2024): 1 − σ(β(ratio − kl)) of a good answer, 1 − σ(β(kl − ratio)) of a
/// bad one. `ratios` [n]: policy − reference; `signs` [n]: 1 of a good answer, −1 of a bad one;
/// `kl`: one number. With kl 0 it is the unpaired form of APO-zero (D'Oosterlinck et al. 2024).
torch::Tensor kto_loss(const torch::Tensor& ratios, const torch::Tensor& signs,
                       const torch::Tensor& kl, double beta);

/// BCO (Jung et al. 2024): −log σ(±(reward − delta)) of rewards [n].
torch::Tensor bco_loss(const torch::Tensor& rewards, const torch::Tensor& signs, double delta);

/// A reward model's (Bradley and Terry 1952; Ouyang et al. 2022), as TRL's RewardTrainer has it:
/// −log σ(chosen − rejected − margin), and with a coefficient that times (chosen + rejected)². Of
/// rewards [n] → [n].
torch::Tensor reward_loss(const torch::Tensor& chosen, const torch::Tensor& rejected,
                          const torch::Tensor& margins, std::optional<double> centre);

using Figures = std::map<std::string, torch::Tensor>;

/// Of pairs' rewards and log-probabilities, [n] each.
Figures pair_figures(const torch::Tensor& chosen_rewards, const torch::Tensor& rejected_rewards,
                     const torch::Tensor& chosen, const torch::Tensor& rejected);
/// Of single answers' rewards and log-probabilities, [n] each: good ones and bad ones, as far as
/// there are some, and the margin where there are both.
Figures single_figures(const torch::Tensor& rewards, const torch::Tensor& log_probs,
                       const std::vector<bool>& good);

}  // namespace luthier::preference
