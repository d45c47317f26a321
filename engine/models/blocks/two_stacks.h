// SPDX-License-Identifier: GPL-3.0-or-later
// What a step through an encoder and a decoder costs that share one table of words: which stages
// there are and what passes between them. What a stack's own stages are is the family's to say.
#pragma once

#include <numeric>
#include <vector>

#include "engine/models/cost.h"
#include "engine/nn/attention.h"
#include "engine/nn/layers.h"

namespace luthier {

/// A batch on its way through one of two stacks.
struct StackPass {
  std::int64_t tokens = 0, memory_tokens = 0;
  RowsShape rows, across;
  bool memory_flows = false;  ///< a gradient is wanted of the memory
};

/// Adds the stages of both. A Stack's add_cost(terms, pass, flows, stages) adds its own; `flows`
/// says whether a gradient is wanted of what comes in, and afterwards at its end. `before`: one is
/// wanted of what stands among the words that are read.
template <class Stack>
void add_two_stacks(const Pass& pass, const Embedding& words, bool before, const Stack& encoder,
                    const Stack& decoder, std::vector<Stage>& stages) {
  const StepTerms& terms = pass.terms;
  const TrainedShare table = terms.of(*words);
  const std::int64_t source =
      std::accumulate(pass.source_lengths.begin(), pass.source_lengths.end(), std::int64_t{0});
  // A lookup's gradient is as large as its table, and stands beside what there is of it.
  Stage lookup;
  lookup.moments = {{0, table.whole ? terms.block(words->weight.numel()) : 0}};
  Stage first = lookup;
  first.gradients = table.parameters * terms.gradient_element;
  stages.push_back(first);

  StackPass read;
  read.tokens = source;
  read.rows = rows_shape(pass.source_lengths, /*causal=*/false);
  bool memory_flows = before || table.trains;
  encoder.add_cost(terms, read, memory_flows, stages);
  stages.push_back(lookup);
  StackPass written;
  written.tokens = pass.tokens, written.memory_tokens = source;
  written.rows = pass.rows;
  written.across = across_shape(pass.lengths, pass.source_lengths);
  written.memory_flows = memory_flows;
  bool flows = table.trains;
  decoder.add_cost(terms, written, flows, stages);
}

}  // namespace luthier
