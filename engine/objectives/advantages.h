// SPDX-License-Identifier: GPL-3.0-or-later
// What samples are worth beside the others of their group, from their rewards: TRL 1.16's rules,
// where a reward that is not there (NaN) takes no part and a sample without any is worth 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/device/torch.h"

namespace luthier::advantages {

/// Of a generation, group after group.
struct Rewards {
  torch::Tensor each;                ///< [samples, rewards] float32
  torch::Tensor weights;             ///< [rewards] float32
  std::vector<std::int64_t> groups;  ///< samples of each prompt
};

/// [samples] float32: each sample's weighed rewards summed; NaN where it has none.
torch::Tensor summed(const Rewards& rewards);
/// Of the numbers that are there, with Bessel's correction; NaN for fewer than two.
torch::Tensor deviation(const torch::Tensor& numbers);

struct Judged {
  torch::Tensor advantages;  ///< [samples] float32
  torch::Tensor alike;       ///< [samples] bool: the rewards that it is compared with do not differ
};

struct GroupRule {
  std::string scale = "group";                     ///< group, batch or none
  std::string aggregation = "sum_then_normalize";  ///< or normalize_then_sum
};
/// GRPO: (reward − the group's mean) / (deviation + 1e-4).
Judged by_group(const Rewards& rewards, const GroupRule& rule);

struct LeaveOneOutRule {
  std::optional<std::pair<double, double>> range;  ///< that rewards are clamped to
  bool normalize = false;
};
/// RLOO: reward − the mean of the group's others. `penalty` [samples]: taken off each reward;
/// undefined: nothing is.
Judged by_the_others(const Rewards& rewards, const LeaveOneOutRule& rule,
                     const torch::Tensor& penalty);

}  // namespace luthier::advantages
