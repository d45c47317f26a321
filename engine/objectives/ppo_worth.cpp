// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/ppo_worth.h"

#include <algorithm>

namespace luthier::ppo {

namespace {

using torch::Tensor;

constexpr double kSmallVariance = 1e-8;

/// Where a sample has a value: at its tokens and one place behind.
std::vector<std::int64_t> one_more(std::vector<std::int64_t> lengths, std::int64_t width) {
  for (std::int64_t& length : lengths) length = std::min(length + 1, width);
  return lengths;
}

}  // namespace

Tensor first_places(const std::vector<std::int64_t>& counts, std::int64_t width) {
  const Tensor ends = torch::tensor(counts, torch::kInt64).unsqueeze(1);
  return (at::arange(width, torch::kInt64).unsqueeze(0) < ends).to(torch::kFloat32);
}

Tensor whitened(const Tensor& values, const Tensor& mask, bool keeps_mean) {
  const Tensor count = mask.sum(), mean = (values * mask).sum() / count, apart = values - mean;
  const Tensor variance =
      (apart.square() * mask).sum() / count * (count / (count - 1).clamp_min(1));
  const Tensor scaled = apart * at::rsqrt(variance + kSmallVariance);
  return keeps_mean ? scaled + mean : scaled;
}

Worth worth_of(const Drawn& drawn, const WorthRule& rule) {
  const std::int64_t count = drawn.log_probs.size(0), width = drawn.log_probs.size(1);
  const Tensor tokens = first_places(drawn.lengths, width),
               valued = first_places(one_more(drawn.lengths, width), width);
  const Tensor ratio = (drawn.reference - drawn.log_probs).masked_fill(tokens == 0, 0);
  Worth worth;
  worth.distance = rule.k3 ? (ratio.exp() - 1) - ratio : -ratio;
  worth.penalty = -rule.kl_coef * worth.distance;
  std::vector<std::int64_t> ends;
  for (const std::int64_t length : drawn.lengths)
    ends.push_back(length < width ? length : width - 1);
  worth.rewards = worth.penalty.scatter_add(1, torch::tensor(ends, torch::kInt64).unsqueeze(1),
                                            drawn.scores.view({count, 1}));
  if (rule.whiten_rewards)
    worth.rewards = whitened(worth.rewards, valued, true).masked_fill(valued == 0, 0);
  const std::vector<Tensor> rewards = worth.rewards.unbind(1), values = drawn.values.unbind(1);
  std::vector<Tensor> advantages(static_cast<std::size_t>(width));
  Tensor later = at::zeros({count}, torch::kFloat32), next = later;
  for (std::size_t at = advantages.size(); at-- > 0;) {
    const Tensor surprise = rewards[at] + rule.gamma * next - values[at];
    later = surprise + rule.gamma * rule.lam * later;
    next = values[at];
    advantages[at] = later;
  }
  const Tensor all = at::stack(advantages, 1);
  worth.returns = all + drawn.values;
  worth.advantages = whitened(all, tokens, false).masked_fill(tokens == 0, 0);
  return worth;
}

}  // namespace luthier::ppo
