// SPDX-License-Identifier: GPL-3.0-or-later
// What a feed-forward part whose activation is a relu keeps less than another: a relu keeps what it
// gives, which is what the last product keeps, too.
#pragma once

#include "engine/nn/module_cost.h"

namespace luthier {

/// `cost` as mlp_cost() says it, of a part whose last product `out` takes `rows` of numbers.
inline void keep_once(MlpCost& cost, const StepTerms& terms, const Linear& out, std::int64_t rows) {
  if (!cost.inside || !terms.of(*out).trains) return;
  const std::int64_t wide = terms.block(rows * out->in_features());
  cost.kept -= wide, cost.released -= wide;
}

}  // namespace luthier
