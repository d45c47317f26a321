// SPDX-License-Identifier: GPL-3.0-or-later
// The states with a label are kept for the backward. A chunk's logits in float32 stand beside one
// more of their size while their values are taken; the backward makes them again.
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

LossCost token_values_cost(const Pass& pass, const HeadCost& head) {
  const StepTerms& terms = pass.terms;
  const std::int64_t vocabulary = std::max<std::int64_t>(1, head.vocabulary);
  const std::int64_t chunk = std::min(pass.labels, loss_chunk(vocabulary, terms.cpu)),
                     numbers = chunk * vocabulary;
  const WeightGradient weight = weight_gradient(terms, head);
  // An adapted head's own logits stay beside what is made of them.
  const std::int64_t own = head.plugged ? (terms.element == 4 ? 0 : terms.block(numbers)) : 0,
                     product = head.scaled ? terms.block(numbers) : 0;
  const std::int64_t forward = 2 * terms.floats(numbers) + own + product,
                     backward = chunk_bytes(terms, head, chunk, true) + weight.growing;
  LossCost cost;
  cost.gradient = weight.sum;
  cost.work = last_state_bytes(pass, head) + std::max({forward, backward, weight.handed_on});
  return cost;
}

}  // namespace luthier
