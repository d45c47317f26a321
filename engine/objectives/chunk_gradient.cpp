// SPDX-License-Identifier: GPL-3.0-or-later
// A row has one target, so no two numbers of a scatter meet: with a number in the place of a tensor
// of them LibTorch knows that the order cannot matter, and takes its one plain kernel under
// deterministic algorithms too. A tensor would be sorted first (index_put_ with accumulate).
#include "engine/objectives/chunk_gradient.h"

#include <cmath>

#include "engine/kernels/cross_entropy.h"
#include "engine/nn/cpu_passes.h"

namespace luthier {

using torch::Tensor;

namespace {

/// softmax → softmax − onehot(target).
void take_one(const Tensor& softmax, const Tensor& goal) { softmax.scatter_(1, goal, -1, "add"); }

/// Numbers that were made in float32 go back to where the logits stood.
void put_back(const Tensor& logits, const Tensor& wide) {
  if (!wide.is_same(logits)) logits.copy_(wide);
}

}  // namespace

Tensor cross_entropy_in_place(const Tensor& logits, const Tensor& target, bool gradient,
                              const Tensor& shares) {
  const torch::NoGradGuard no_grad;
  // A row's loss is finite whatever row it is, so that a share of 0 makes it nothing.
  const auto summed = [&shares](const Tensor& losses) {
    return shares.defined() ? (losses.view(shares.sizes()) * shares).sum() : losses.sum();
  };
  if (const auto losses = kernels::cross_entropy_(logits, target, gradient)) return summed(*losses);
  if (suits_loops({logits}) && logits.is_contiguous())
    return summed(cross_entropy_pass(logits, target, gradient));
  const Tensor goal = target.unsqueeze(1);
  const Tensor wide = logits.to(torch::kFloat32);  // itself where it is float32
  const Tensor maximum = wide.amax(1, true), picked = wide.gather(1, goal);
  wide.sub_(maximum).exp_();
  const Tensor sum = wide.sum(1, true);
  const Tensor total = summed(sum.log() + maximum - picked);
  if (!gradient) return total;
  take_one(wide.div_(sum), goal);
  put_back(logits, wide);
  return total;
}

ChunkCap::ChunkCap(double softcap, const Tensor& logits, bool gradient) {
  if (softcap <= 0) return;
  const torch::NoGradGuard no_grad;
  const Tensor bent = logits.div_(softcap).tanh_();
  if (gradient) slope_ = at::empty_like(bent).fill_(1).addcmul_(bent, bent, -1);
  logits.mul_(softcap);
}

void ChunkCap::back(const Tensor& gradient) const {
  const torch::NoGradGuard no_grad;
  if (slope_.defined()) gradient.mul_(slope_);
}

namespace {

/// Log-probabilities of the logits over the temperature, in float32 and, where they are float32
/// already, in their own memory: row by row, each number from its own place.
Tensor log_probs_in_place(const Tensor& logits, double temperature) {
  Tensor wide = logits.to(torch::kFloat32);
  if (temperature != 1) wide.div_(temperature);
  return at::_log_softmax_out(wide, wide, 1, /*half_to_float=*/false);
}

/// Log-probabilities become the terms of their entropy.
void tell_entropy(const Tensor& log_probs, const Tensor& probs, const Tensor& entropy) {
  if (entropy.defined()) entropy.copy_(log_probs.mul_(probs).sum(1).neg_());
}

}  // namespace

// At most four chunks of float32 stand at once, both models' logarithms among them.
Tensor divergence_in_place(const Tensor& logits, const Tensor& teacher,
                           const Divergence& divergence, bool gradient, const Tensor& entropy) {
  const torch::NoGradGuard no_grad;
  const double beta = divergence.beta, share = beta < 1 ? 1 - beta : 1;
  Tensor mine = log_probs_in_place(logits, divergence.temperature),
         theirs = log_probs_in_place(teacher, divergence.temperature);
  Tensor sum, slope;  // the slope is by the logits over the temperature
  if (beta == 0) {
    const Tensor wanted = theirs.exp();
    sum = theirs.sub_(mine).mul_(wanted).sum();
    if (gradient || entropy.defined()) at::exp_out(theirs, mine);
    tell_entropy(mine, theirs, entropy);
    if (gradient) slope = theirs.sub_(wanted);
  } else {
    Tensor probs;
    if (beta < 1) {
      theirs.add_(std::log(beta));
      Tensor mixture = mine + std::log1p(-beta);
      at::logaddexp_out(mixture, mixture, theirs);
      probs = theirs.exp();  // times beta
      sum = theirs.sub_(mixture).sub_(std::log(beta)).mul_(probs).sum();
      at::exp_out(probs, mine);
      at::sub_out(theirs, mine, mixture);
    } else {
      probs = mine.exp();
      at::sub_out(theirs, mine, theirs);
    }
    tell_entropy(mine, probs, entropy);
    at::mul_out(mine, probs, theirs);
    const Tensor distances = mine.sum(1, true);  // [n, 1]: of p from the mixture or from q
    const Tensor weighed = distances.sum() * share;
    sum = sum.defined() ? sum + weighed : weighed;
    if (gradient) slope = mine.addcmul_(probs, distances, -1).mul_(share);
  }
  if (!gradient) return sum;
  put_back(logits, divergence.temperature == 1 ? slope : slope.div_(divergence.temperature));
  return sum;
}

void log_prob_gradient_in_place(const Tensor& logits, const Tensor& target, const Tensor& share,
                                double temperature, const Tensor& of_entropy) {
  const torch::NoGradGuard no_grad;
  Tensor wide = logits.to(torch::kFloat32);
  if (temperature != 1) wide.div_(temperature);
  Tensor beside;  // what the entropy adds, as far as the softmax is no part of it
  if (of_entropy.defined()) {
    beside = at::log_softmax(wide, 1);
    beside.sub_((beside.exp() * beside).sum(1, true))
        .mul_((of_entropy / -temperature).unsqueeze(1));
  }
  at::_softmax_out(wide, wide, 1, /*half_to_float=*/false);  // row by row, each from its own place
  if (beside.defined()) beside.mul_(wide);
  if (share.defined()) {
    take_one(wide, target.unsqueeze(1));
    wide.mul_((share / -temperature).unsqueeze(1));
    if (beside.defined()) wide.add_(beside);
  } else {
    wide.copy_(beside);
  }
  put_back(logits, wide);
}

PlainHeadGradients::PlainHeadGradients(const Wanted& wanted, const Tensor& states,
                                       const Tensor& leaf, const Tensor& head_bias) {
  const auto sums = [](const Tensor& like) {
    return torch::zeros(like.sizes(), like.options().dtype(torch::kFloat32).requires_grad(false));
  };
  if (wanted.hidden) hidden = torch::empty_like(states);
  if (wanted.weight) weight = sums(leaf);
  if (wanted.bias) bias = sums(head_bias);
}

void PlainHeadGradients::add(const Tensor& states, std::int64_t begin, std::int64_t end,
                             const Tensor& logits, const Weight& of_head, const Tensor& shares) {
  const Tensor share =
      shares.defined() ? shares.slice(0, begin, end).to(logits.scalar_type()) : Tensor();
  const auto counted = [&share](const Tensor& rows) {
    return share.defined() ? rows * share.unsqueeze(1) : rows;
  };
  if (hidden.defined()) hidden.slice(0, begin, end).copy_(counted(of_head.product_back(logits)));
  if (weight.defined()) {
    const Tensor part = counted(states.slice(0, begin, end));
    if (part.scalar_type() == torch::kFloat32)
      weight.addmm_(logits.t(), part);
    else
      weight.add_(at::mm(logits.t(), part));
  }
  if (bias.defined()) bias.add_(counted(logits).sum(0, false, torch::kFloat32));
}

Tensor scaled(const Tensor& x, const Tensor& factor, torch::ScalarType type) {
  if (!x.defined()) return {};
  if (x.is_cpu()) return (x * factor).to(type);
  Tensor y = at::empty_like(x, x.options().dtype(type));
  return at::mul_out(y, x, factor.view({1}));
}

}  // namespace luthier
