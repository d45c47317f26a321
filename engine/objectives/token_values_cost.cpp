// SPDX-License-Identifier: GPL-3.0-or-later
// The states with a label are kept for the backward. A chunk's logits stand beside their
// log-softmax, its exponentials and what is made of these.
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

LossCost token_values_cost(const Pass& pass, const HeadCost& head) {
  const StepTerms& terms = pass.terms;
  const std::int64_t vocabulary = std::max<std::int64_t>(1, head.vocabulary);
  const std::int64_t chunk = std::min(pass.labels, loss_chunk(vocabulary, terms.cpu));
  const std::int64_t logits = terms.floats(chunk * vocabulary);
  LossCost cost;
  if (head.weight_gradient) cost.gradient = terms.floats(vocabulary * head.width);
  cost.work = terms.block(pass.tokens * head.width) + 2 * terms.block(pass.labels * head.width) +
              4 * logits + cost.gradient;
  // With a plug on the head each chunk keeps its graph.
  if (head.plugged) cost.work += terms.floats(pass.labels * vocabulary);
  return cost;
}

}  // namespace luthier
