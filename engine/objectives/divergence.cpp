// SPDX-License-Identifier: GPL-3.0-or-later
// A model against a teacher, whose hidden size may be another: the logits of both exist for a chunk
// of rows at a time. The gradient is known but for one factor when the sum is (chunked_loss), so
// each chunk is made once.
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/objectives/head_loss.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Two models' logits stand side by side.
std::int64_t divergence_chunk(std::int64_t vocabulary, bool cpu) {
  return std::max<std::int64_t>(1, loss_chunk(vocabulary, cpu) / 2);
}

}  // namespace

Tensor BareHead::logits(const Tensor& rows) const {
  const torch::NoGradGuard no_grad;
  Tensor logits = weight_.product(rows, bias_);
  const ChunkCap cap(softcap_, logits, /*gradient=*/false);
  return logits;
}

HeadDivergence chunked_divergence(const Tensor& hidden, const Linear& head,
                                  const TeacherStates& teacher, const Divergence& divergence,
                                  bool entropy) {
  HeadDivergence result;
  if (entropy)
    result.entropy = torch::zeros({hidden.size(0)},
                                  hidden.options().dtype(torch::kFloat32).requires_grad(false));
  const auto loss = [&](const Tensor& logits, std::int64_t begin, std::int64_t end, bool gradient) {
    const Tensor wanted = teacher.head.logits(teacher.hidden.slice(0, begin, end));
    return divergence_in_place(logits, wanted, divergence, gradient,
                               entropy ? result.entropy.slice(0, begin, end) : Tensor());
  };
  const std::int64_t step = divergence_chunk(head->out_features(), hidden.is_cpu());
  result.sum = chunked_loss(hidden, head, step, loss);
  return result;
}

LossCost divergence_cost(const Pass& pass, const HeadCost& head, std::int64_t teacher_width) {
  const StepTerms& terms = pass.terms;
  const std::int64_t vocabulary = std::max<std::int64_t>(1, head.vocabulary);
  const std::int64_t chunk = std::min(pass.labels, divergence_chunk(vocabulary, terms.cpu)),
                     numbers = chunk * vocabulary;
  const WeightGradient weight = weight_gradient(terms, head);
  // Narrow logits of both stand beside what is made of them; what a plug scales stands twice, and
  // what it makes of the states beside them.
  const std::int64_t narrow = terms.element == 4 ? 0 : 2 * terms.block(numbers),
                     product = head.scaled ? terms.block(numbers) : 0,
                     rank = head.plug_numbers / vocabulary,
                     states = terms.block(chunk * head.width) +
                              (head.plugged ? terms.floats(chunk * head.width) : 0) +
                              2 * terms.floats(chunk * rank) + 4 * terms.floats(chunk);
  const std::int64_t made = 4 * terms.floats(numbers) + narrow + product + states +
                            (head.capped ? (head.plugged ? 3 : 1) * terms.block(numbers) : 0),
                     back = chunk_bytes(terms, head, chunk, /*copied=*/false) + weight.growing;
  LossCost cost;
  cost.gradient = weight.sum;
  cost.work = last_state_bytes(pass, head) + terms.block(pass.labels * teacher_width) +
              std::max({made + weight.sum, back, weight.handed_on});
  return cost;
}

}  // namespace luthier
