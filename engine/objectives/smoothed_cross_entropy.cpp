// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/smoothed_cross_entropy.h"

#include "engine/objectives/loss_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// The loss of one chunk's logits [n, words], which become the sum's gradient by themselves:
/// softmax − (1 − smoothing)·onehot(target) − smoothing / words.
Tensor smoothed_in_place(const Tensor& logits, const Tensor& target, double smoothing,
                         bool gradient, const Tensor& shares) {
  const torch::NoGradGuard no_grad;
  const Tensor goal = target.unsqueeze(1);
  Tensor wide = logits.to(torch::kFloat32);  // itself where it is float32
  at::_log_softmax_out(wide, wide, 1, /*half_to_float=*/false);
  const Tensor losses =
      wide.gather(1, goal).squeeze(1).mul_(smoothing - 1).sub_(wide.mean(1), smoothing);
  const Tensor total = shares.defined() ? (losses * shares).sum() : losses.sum();
  if (!gradient) return total;
  wide.exp_().sub_(smoothing / static_cast<double>(wide.size(1)));
  wide.scatter_(1, goal, smoothing - 1, "add");
  if (!wide.is_same(logits)) logits.copy_(wide);
  return total;
}

}  // namespace

Tensor smoothed_cross_entropy(const Tensor& hidden, const Linear& head, const Tensor& target,
                              double smoothing, const Tensor& shares) {
  const auto loss = [&](const Tensor& logits, std::int64_t begin, std::int64_t end, bool gradient) {
    return smoothed_in_place(logits, target.slice(0, begin, end), smoothing, gradient,
                             shares.defined() ? shares.slice(0, begin, end) : shares);
  };
  return chunked_loss(hidden, head, loss_chunk(head->out_features(), hidden.is_cpu()), loss,
                      shares);
}

}  // namespace luthier
