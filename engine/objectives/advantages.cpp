// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/advantages.h"

#include <cmath>

namespace luthier::advantages {

namespace {

using torch::Tensor;

constexpr double kSmall = 1e-4;  // beside a deviation

/// Each group's part of `values` along the samples.
std::vector<Tensor> parts_of(const Tensor& values, const Rewards& rewards) {
  return values.split_with_sizes(rewards.groups, 0);
}

Tensor without_nan(const Tensor& values) { return at::nan_to_num(values, 0.0); }

Tensor is_zero(const Tensor& deviations) {
  return at::isclose(deviations, at::zeros_like(deviations));
}

/// The same number for each of the group's samples.
Tensor for_all(const Tensor& number, const Tensor& group) { return number.expand_as(group); }

Judged sum_first(const Rewards& rewards, const std::string& scale) {
  const Tensor sums = summed(rewards);
  std::vector<Tensor> means, deviations;
  for (const Tensor& group : parts_of(sums, rewards)) {
    means.push_back(for_all(at::nanmean(group), group));
    deviations.push_back(for_all(deviation(group), group));
  }
  const Tensor spread = scale == "batch" ? for_all(deviation(sums), sums) : at::cat(deviations);
  Tensor worth = sums - at::cat(means);
  if (scale != "none") worth = worth / (spread + kSmall);
  return {without_nan(worth), is_zero(spread)};
}

Judged normalize_first(const Rewards& rewards) {
  std::vector<Tensor> parts;
  for (const Tensor& group : parts_of(rewards.each, rewards)) {
    std::vector<Tensor> columns;
    for (const Tensor& column : group.unbind(1))
      columns.push_back((column - at::nanmean(column)) / (deviation(column) + kSmall));
    parts.push_back(at::stack(columns, 1));
  }
  // One whose rewards have nothing to be compared with is worth 0, and counts in what follows.
  const Tensor sums = at::nansum(at::cat(parts) * rewards.weights.unsqueeze(0), 1),
               own = at::where(at::isnan(rewards.each).all(1), at::full_like(sums, NAN), sums);
  const Tensor spread = for_all(deviation(own), own);
  return {without_nan((own - at::nanmean(own)) / (spread + kSmall)), is_zero(spread)};
}

}  // namespace

Tensor summed(const Rewards& rewards) {
  const Tensor sums = at::nansum(rewards.each * rewards.weights.unsqueeze(0), 1);
  return at::where(at::isnan(rewards.each).all(1), at::full_like(sums, NAN), sums);
}

Tensor deviation(const Tensor& numbers) {
  const Tensor variance = at::nanmean((numbers - at::nanmean(numbers)).square());
  const Tensor count = (~at::isnan(numbers)).sum().to(torch::kFloat32);
  return at::sqrt(variance * at::where(count > 1, count / (count - 1), at::full_like(count, NAN)));
}

Judged by_group(const Rewards& rewards, const GroupRule& rule) {
  return rule.aggregation == "normalize_then_sum" ? normalize_first(rewards)
                                                  : sum_first(rewards, rule.scale);
}

Judged by_the_others(const Rewards& rewards, const LeaveOneOutRule& rule, const Tensor& penalty) {
  Tensor sums = summed(rewards);
  if (rule.range) sums = sums.clamp(rule.range->first, rule.range->second);
  if (penalty.defined()) sums = sums - penalty;
  std::vector<Tensor> worth, deviations;
  for (const Tensor& group : parts_of(sums, rewards)) {
    const Tensor others = (~at::isnan(group)).sum().to(torch::kFloat32) - 1;
    worth.push_back(group - (at::nansum(group) - group) / others);
    deviations.push_back(for_all(deviation(group), group));
  }
  Tensor all = at::cat(worth);
  if (rule.normalize) all = (all - at::nanmean(all)) / (deviation(all) + kSmall);
  return {without_nan(all), is_zero(at::cat(deviations))};
}

}  // namespace luthier::advantages
