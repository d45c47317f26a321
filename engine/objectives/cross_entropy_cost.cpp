// SPDX-License-Identifier: GPL-3.0-or-later
// Beside the last states stand those that have a label and their gradient, a chunk of logits and
// the chunk's states.
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

LossCost cross_entropy_cost(const Pass& pass, const HeadCost& head) {
  const StepTerms& terms = pass.terms;
  const std::int64_t vocabulary = std::max<std::int64_t>(1, head.vocabulary);
  const std::int64_t chunk = std::min(pass.labels, loss_chunk(vocabulary, terms.cpu));
  LossCost cost;
  if (head.weight_gradient) cost.gradient = terms.floats(vocabulary * head.width);
  cost.work = terms.block(pass.tokens * head.width) + 2 * terms.block(pass.labels * head.width) +
              terms.block(chunk * vocabulary, terms.element == 4 ? 4 : 8) +
              terms.block(chunk * head.width) + cost.gradient;
  // With a plug on the head each chunk keeps its graph.
  if (head.plugged)
    cost.work += terms.floats(pass.labels * vocabulary) + terms.floats(chunk * vocabulary);
  return cost;
}

}  // namespace luthier
