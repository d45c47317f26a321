// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/top_k.h"

#include <algorithm>
#include <limits>

#include "engine/objectives/loss_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// The log of a share that is next to nothing, and a number.
constexpr double kNextToNothing = -80;
constexpr float kNothing = -std::numeric_limits<float>::infinity();

/// As many as of a whole teacher's: what is kept is spread out again for a chunk.
std::int64_t rows_of_chunk(std::int64_t vocabulary, bool cpu) {
  return std::max<std::int64_t>(1, loss_chunk(vocabulary, cpu) / 2);
}

/// [n, vocab] float32, new.
Tensor log_probs_of(const Tensor& logits, double temperature) {
  Tensor wide = logits.to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true);
  if (temperature != 1) wide.div_(temperature);
  return at::log_softmax(wide, 1);
}

/// [n, 1]: the log of what all tokens but `ids` have together, which leave `log_probs`.
Tensor rest_of(const Tensor& log_probs, const Tensor& ids) {
  log_probs.scatter_(1, ids, kNothing);
  return at::logsumexp(log_probs, 1, /*keepdim=*/true);
}

}  // namespace

TopK top_k_of(const TeacherStates& teacher, std::int64_t k, double temperature,
              std::int64_t vocabulary) {
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> ids, log_probs, rests;
  const std::int64_t labels = teacher.hidden.size(0),
                     step = rows_of_chunk(vocabulary, teacher.hidden.is_cpu());
  for (std::int64_t begin = 0; begin < labels; begin += step) {
    Tensor probs = log_probs_of(
        teacher.head.logits(teacher.hidden.slice(0, begin, std::min(labels, begin + step))),
        temperature);
    auto [values, places] = at::topk(probs, std::min(k, probs.size(1)), 1);
    ids.push_back(places);
    log_probs.push_back(values);
    rests.push_back(rest_of(probs, places).squeeze(1).clamp_min(kNextToNothing));
  }
  TopK kept;
  if (labels == 0) return kept;
  kept.ids = at::cat(ids);
  kept.log_probs = at::cat(log_probs);
  kept.rest = at::cat(rests);
  return kept;
}

HeadDivergence chunked_divergence(const Tensor& hidden, const Linear& head, const TopK& teacher,
                                  const Divergence& divergence, bool entropy) {
  HeadDivergence result;
  if (entropy)
    result.entropy = torch::zeros({hidden.size(0)},
                                  hidden.options().dtype(torch::kFloat32).requires_grad(false));
  const auto loss = [&](const Tensor& logits, std::int64_t begin, std::int64_t end, bool gradient) {
    const torch::NoGradGuard no_grad;
    const Tensor ids = teacher.ids.slice(0, begin, end);
    Tensor wanted = log_probs_of(logits, divergence.temperature);
    // What the others have of p becomes what they have of q, in the shares that they have.
    const Tensor own = rest_of(wanted, ids);
    wanted.add_(teacher.rest.slice(0, begin, end).unsqueeze(1) - own);
    wanted.scatter_(1, ids, teacher.log_probs.slice(0, begin, end));
    if (divergence.temperature != 1) wanted.mul_(divergence.temperature);
    return divergence_in_place(logits, wanted, divergence, gradient,
                               entropy ? result.entropy.slice(0, begin, end) : Tensor());
  };
  result.sum =
      chunked_loss(hidden, head, rows_of_chunk(head->out_features(), hidden.is_cpu()), loss);
  return result;
}

}  // namespace luthier
