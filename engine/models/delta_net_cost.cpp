// SPDX-License-Identifier: GPL-3.0-or-later
// What the delta rule keeps of a step is what it is given; the pieces of its chunks stand while its
// backward makes them again.
#include <algorithm>

#include "engine/device/block_pool.h"
#include "engine/models/cost.h"
#include "engine/models/delta_net.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace {

/// Rows as they are padded for the rule.
struct PaddedRows {
  std::int64_t rows = 0, longest = 0;

  std::int64_t tokens() const { return rows * longest; }
  std::int64_t chunk() const { return std::min(kDeltaChunk, std::max<std::int64_t>(1, longest)); }
  std::int64_t chunks() const { return (longest + chunk() - 1) / chunk(); }
};

PaddedRows padded_rows(const RowsShape& shape) {
  PaddedRows padded{shape.rows, shape.longest};
  for (const RowsShape::Group& group : shape.groups)
    padded.longest = std::max(padded.longest, group.length);
  return padded;
}

/// What stands at once, in bytes, while the backward makes the rule's pieces again and goes back
/// through them (in_chunks of nn/delta_rule.cpp), with the gradient that comes in.
std::int64_t rule_work(const StepTerms& terms, const DeltaSizes& sizes, const PaddedRows& rows) {
  const std::int64_t key = sizes.key_dim, value = sizes.value_dim, chunk = rows.chunk(),
                     chunks = rows.chunks(), heads = rows.rows * sizes.value_heads,
                     whole = heads * chunk,  // a number for each token of one chunk
      tokens = whole * chunks, states = heads * key * value;
  const bool filled = chunk * chunks > rows.longest, narrow = terms.element < 4;
  // All the way: queries, keys, keys as they are written, what the system is solved to, four
  // squares (how much of a token is left at another, keys with keys before and after that, queries
  // with keys), four single numbers, and lengths.
  std::int64_t pieces =
      tokens * (4 * key + value + 4 * chunk + 4) + 2 * rows.tokens() * sizes.key_heads;
  if (filled || narrow) pieces += tokens * (value + 1);  // values and β as copies
  if (narrow) pieces += 2 * rows.tokens() * sizes.keys();
  // Queries and keys beside a chunk's state, and the square of what its tokens have of another.
  const std::int64_t own = 2 * key + chunk;
  // Of the forward again: what each chunk gives, and either the last state, which is no one's, or
  // all results in one. Queries and keys stand there without filler, too.
  std::int64_t made = pieces + tokens * (own + 2 * value) + states * (chunks + 1) +
                      std::max(tokens * value, 2 * states);
  if (filled) made += 2 * rows.tokens() * sizes.value_heads * key;
  std::int64_t most = 0;
  const auto moment = [&](std::int64_t numbers) { most = std::max(most, pieces + numbers); };
  if (chunks > 1) {
    // At the first chunk, which is the last to go back, and at the one before it.
    const std::int64_t gradients = 3 * key + chunk + value;
    moment(tokens * own + (tokens - whole) * gradients + whole * (key + value) + 2 * states);
    moment(tokens * own + (tokens - 2 * whole) * gradients + whole * (key + 2 * value) +
           5 * states);
  }
  const std::int64_t to_keys = chunks > 1 ? key : 0;             // of what the states took in
  moment(tokens * (to_keys + 4 * key + chunk + value));          // what asks a state
  moment(tokens * (to_keys + 2 * key + value + 3 * chunk));      // queries with keys
  moment(tokens * (to_keys + 3 * key + 2 * value + 2 * chunk));  // the system
  const std::int64_t result = terms.block(rows.tokens() * sizes.values());
  constexpr std::int64_t kFloat = sizeof(float);
  return result + std::max(kFloat * made, kFloat * most + result);
}

}  // namespace

AttentionBranchCost GatedDeltaNetImpl::cost(const StepTerms& terms, const RowsShape& shape,
                                            std::int64_t tokens, std::int64_t /*asked*/,
                                            bool flows) const {
  const PaddedRows rows = padded_rows(shape);
  const std::int64_t channels = sizes_.channels(), values = sizes_.values(),
                     heads = sizes_.value_heads, padded = rows.tokens();
  const bool own = terms.of(static_cast<const ParameterModule&>(*this)).trains ||
                   terms.of(*conv1d_).trains || terms.of(*norm_).trains;
  AttentionCost core;
  // The convolution's input and result, what the activation makes of it, and decay and write.
  core.kept = terms.block(padded * channels) +
              terms.block((padded + rows.rows * conv1d_->before()) * channels) +
              terms.block(padded * channels) + 2 * terms.floats(tokens * heads) +
              terms.floats(padded * heads) + terms.block(padded * heads);
  const std::int64_t normed =
      norm_kept(terms, norm_, tokens * heads) + 2 * terms.floats(tokens * values);
  // Where one product gives all four, the convolution's input, which of rows of one length is a
  // view, holds the other three, too.
  const bool together = !terms.cpu || tokens * (channels + values + 2 * heads) * terms.element <=
                                          static_cast<std::int64_t>(BlockPool::kSmallest);
  if (together && padded == tokens) core.kept += terms.block(tokens * (values + 2 * heads));
  // When the rule goes back, what is behind it is gone but for the gate's gradient. Behind the rule
  // come the gradients of the convolution's result, twice, and of its input.
  const std::int64_t gate = terms.block(tokens * values),
                     opened = terms.of(*out_proj_).trains ? gate : 0;
  core.work = gate - normed - opened +
              std::max(rule_work(terms, sizes_, rows), 3 * terms.block(padded * channels));
  AttentionBranchCost cost =
      attention_branch_cost(terms, {in_proj_qkv_, in_proj_z_, in_proj_b_, in_proj_a_}, out_proj_,
                            core, normed, tokens, flows || own);
  add_plug(cost, terms, *this, tokens);
  return cost;
}

}  // namespace luthier
