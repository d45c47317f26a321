// SPDX-License-Identifier: GPL-3.0-or-later
// Beside the last states stand those that have a label and their gradient, a chunk of logits and
// the chunk's states.
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

std::int64_t chunk_bytes(const StepTerms& terms, const HeadCost& head, std::int64_t rows,
                         bool copied) {
  // Where a plug scales the product's result: this, that and
  // the gradients of both, on the CPU with a copy for mixed types.
  std::int64_t each = terms.element + (copied && terms.element < 4 ? 4 : 0);
  if (head.scaled) each = terms.element < 4 && terms.cpu ? 18 : 16;
  // How steep a cap is; behind a plug what it is made of, and the gradients on the way through it.
  if (head.capped) each += (head.plugged ? 3 : 1) * terms.element;
  // What a plug of low rank has between its two products, and its gradient.
  const std::int64_t rank = head.plug_numbers / std::max<std::int64_t>(1, head.vocabulary);
  return terms.block(rows * head.vocabulary, each) + terms.block(rows * head.width) +
         2 * terms.floats(rows * rank) + 4 * terms.floats(rows);  // a few numbers a row
}

WeightGradient weight_gradient(const StepTerms& terms, const HeadCost& head) {
  WeightGradient cost;
  // A sum and one chunk's share, of the tensors of a plug as well.
  cost.growing = 2 * terms.floats(head.plug_numbers);
  if (!head.weight_gradient) return cost;
  const std::int64_t numbers = head.vocabulary * head.width;
  cost.sum = terms.floats(numbers);
  cost.growing += cost.sum + (terms.element == 4 ? 0 : terms.block(numbers));
  cost.handed_on = cost.sum + terms.block(numbers);
  if (terms.element < 4 && terms.cpu) cost.handed_on += terms.floats(numbers);
  return cost;
}

namespace {

/// What oneDNN lays out of a bfloat16 product's sides on each thread: pieces that fit a core's
/// cache, or all there is.
std::int64_t product_room(const StepTerms& terms, const HeadCost& head, std::int64_t rows) {
  constexpr std::int64_t kMostPieces = 704 << 10;
  const std::int64_t sides = (head.vocabulary + rows) * head.width * terms.element;
  return terms.threads * std::min(kMostPieces, sides);
}

}  // namespace

std::int64_t last_state_bytes(const Pass& pass, const HeadCost& head) {
  const std::int64_t all = head.chosen ? 0 : pass.terms.block(pass.tokens * head.width);
  return all + 2 * pass.terms.block(pass.labels * head.width);
}

LossCost cross_entropy_cost(const Pass& pass, const HeadCost& head) {
  const StepTerms& terms = pass.terms;
  const std::int64_t vocabulary = std::max<std::int64_t>(1, head.vocabulary);
  const std::int64_t chunk = std::min(pass.labels, loss_chunk(vocabulary, terms.cpu));
  const WeightGradient weight = weight_gradient(terms, head);
  // Without a kernel of our own a device makes a float32 copy, as a CPU may for its products.
  const bool copied = !terms.cpu || !terms.narrow_products;
  std::int64_t beside = 0;
  if (terms.cpu && terms.element < 4) {
    beside = product_room(terms, head, chunk);
    // Or later, where the weight's share is widened to be added.
    if (head.weight_gradient) beside = std::max(beside, terms.floats(head.vocabulary * head.width));
  }
  LossCost cost;
  cost.gradient = weight.sum;
  cost.work =
      last_state_bytes(pass, head) +
      std::max(chunk_bytes(terms, head, chunk, copied) + weight.growing + beside, weight.handed_on);
  return cost;
}

}  // namespace luthier
