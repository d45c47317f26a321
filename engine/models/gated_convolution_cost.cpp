// SPDX-License-Identifier: GPL-3.0-or-later
// What a gated short convolution keeps of a step: both gates and what the first one opens lie in
// one product's memory; the convolution keeps what it is given, and the second gate what it opens.
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/models/gated_convolution.h"
#include "engine/nn/module_cost.h"

namespace luthier {

AttentionBranchCost GatedConvolutionImpl::cost(const StepTerms& terms, const RowsShape& shape,
                                               std::int64_t tokens, std::int64_t /*asked*/,
                                               bool flows) const {
  std::int64_t longest = shape.longest;
  for (const RowsShape::Group& group : shape.groups) longest = std::max(longest, group.length);
  const std::int64_t padded = shape.rows * longest, hidden = width();
  // The convolution makes a few columns more than there are tokens. Of one row its result is looked
  // at as it lies; of others it is put into the tokens' order.
  const std::int64_t wide = terms.block((padded + shape.rows * conv_->before()) * hidden),
                     state = terms.block(tokens * hidden), given = terms.block(padded * hidden);
  const TrainedShare out = terms.of(*out_proj_);
  const std::int64_t opened = out.trains && out.keeps_input ? state : 0;
  AttentionCost core;
  // When the convolution goes back, what it made and what the last product was given are gone. The
  // second gate's gradient waits.
  if (terms.cpu) {
    const std::int64_t mixed = shape.rows == 1 ? wide : state;
    core.kept = terms.block(3 * tokens * hidden) + given + mixed;
    // The gradient of its result, that and its input in another order, and the input's gradient.
    core.work = state + 2 * wide + 2 * given - mixed - opened;
  } else {
    core.kept = terms.block(3 * tokens * hidden) + wide + state;
    // The gradient of its result, and of each tap's part of the input, which are added up.
    core.work = 2 * state + 2 * wide - opened;
  }
  AttentionBranchCost cost = attention_branch_cost(terms, {in_proj_}, out_proj_, core, 0, tokens,
                                                   flows || terms.of(*conv_).trains);
  add_plug(cost, terms, *this, tokens);
  return cost;
}

}  // namespace luthier
