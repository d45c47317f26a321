// SPDX-License-Identifier: GPL-3.0-or-later
// What each token of a sample is worth to PPO: its reward, its advantage by generalised advantage
// estimation (Schulman et al. 2016) and the return that its value is to come to, as TRL 1.9's
// PPOTrainer has them. All lie in [n, width], answers from the left on: a sample's score stands one
// place behind its last token (on that token where it fills the width), and so far go its values.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/device/torch.h"

namespace luthier::ppo {

struct WorthRule {
  double kl_coef = 0.05;
  bool k3 = false;  ///< how the distance is estimated; else it is the log-ratio
  double gamma = 1, lam = 0.95;
  bool whiten_rewards = false;
};

/// Of n samples, float32 on the host.
struct Drawn {
  std::vector<std::int64_t> lengths;  ///< tokens of each, from 1 to the width
  torch::Tensor log_probs;            ///< [n, width] by who drew them; any number behind the end
  torch::Tensor reference;            ///< [n, width] the reference's
  torch::Tensor values;  ///< [n, width] before each token and behind the last, 0 from there on
  torch::Tensor scores;  ///< [n]
};

struct Worth {
  torch::Tensor distance;    ///< [n, width] from the reference, 0 behind the last token
  torch::Tensor penalty;     ///< [n, width] what of a reward that distance is
  torch::Tensor rewards;     ///< [n, width]
  torch::Tensor advantages;  ///< [n, width] whitened, 0 behind the last token
  torch::Tensor returns;     ///< [n, width]
};
Worth worth_of(const Drawn& drawn, const WorthRule& rule);

/// [n, width] float32: 1 in each row's first so many places.
torch::Tensor first_places(const std::vector<std::int64_t>& counts, std::int64_t width);
/// Brought to deviation 1 (Bessel's) over the places of a 1 in `mask`, and to mean 0 unless
/// `keeps_mean`. A single number has no deviation, which is then 0.
torch::Tensor whitened(const torch::Tensor& values, const torch::Tensor& mask, bool keeps_mean);

}  // namespace luthier::ppo
