// SPDX-License-Identifier: GPL-3.0-or-later
// The losses of a preference pair, as TRL 1.16's DPOTrainer has them: one row a name, each from the
// same terms of a micro-batch.
#pragma once

#include <string>
#include <vector>

#include "engine/device/torch.h"

namespace luthier::dpo {

/// Of n pairs; every tensor is [n] float32.
struct Terms {
  torch::Tensor chosen, rejected;                      ///< log-probabilities by the policy
  torch::Tensor reference_chosen, reference_rejected;  ///< by the reference
  torch::Tensor chosen_ratio, rejected_ratio;          ///< policy − reference
  torch::Tensor chosen_score, rejected_score;          ///< the ratios through the f-divergence
  torch::Tensor chosen_tokens, rejected_tokens;        ///< of the answers
  torch::Tensor chosen_nll;  ///< −log p, mean over all chosen tokens of the micro-batch, n times
  double beta = 0, smoothing = 0, tau = 0;

  torch::Tensor margin() const { return chosen_score - rejected_score; }
  /// Between scores that are divided by their answers' lengths.
  torch::Tensor margin_a_token() const;
};

/// An f-divergence's score of log-ratios ("reverse_kl", "forward_kl", "js_divergence",
/// "alpha_divergence").
torch::Tensor divergence_score(const torch::Tensor& ratio, const std::string& type, double alpha);

/// [n]: of each pair.
using PairLoss = torch::Tensor (*)(const Terms& terms);
struct NamedLoss {
  const char* name;
  PairLoss loss;
};
const std::vector<NamedLoss>& losses();
/// Null where there is none of this name.
PairLoss find_loss(const std::string& name);

}  // namespace luthier::dpo
