// SPDX-License-Identifier: GPL-3.0-or-later
// What the mixer keeps of a step is what its products made (nn/delta_mixture), or, chunk by chunk
// by LibTorch, what each operation was given; the pieces of the rule's chunks stand while its
// backward makes them again.
#include <algorithm>

#include "engine/device/block_pool.h"
#include "engine/models/cost.h"
#include "engine/models/delta_net.h"
#include "engine/nn/delta_chunks.h"
#include "engine/nn/delta_mixture.h"
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

/// Where one product gives all that the mixer reads, its columns stand in one block.
bool made_together(const StepTerms& terms, std::int64_t numbers) {
  return !terms.cpu || numbers * terms.element <= static_cast<std::int64_t>(BlockPool::kSmallest);
}

}  // namespace

/// As delta_mixture_takes.
bool GatedDeltaNetImpl::goes_in_loops(const StepTerms& terms) const {
  return terms.cpu && terms.own_loops && terms.element == 4 && activation_ == Activation::Silu &&
         delta::takes_sizes(sizes_.key_dim, sizes_.value_dim);
}

/// By loops: what the products made, and in the backward its gradients with those of the mixture,
/// beside what each thread lays out.
AttentionCost GatedDeltaNetImpl::cost_in_loops(const StepTerms& terms, const RowsShape& shape,
                                               std::int64_t tokens) const {
  const PaddedRows rows = padded_rows(shape);
  const std::int64_t channels = sizes_.channels(), values = sizes_.values(),
                     heads = sizes_.value_heads, all = tokens * (channels + values + 2 * heads),
                     threads = std::min<std::int64_t>(terms.threads, rows.rows * sizes_.key_heads);
  AttentionCost core;
  core.kept = made_together(terms, all)
                  ? terms.block(all)
                  : terms.block(tokens * channels) + terms.block(tokens * values) +
                        2 * terms.block(tokens * heads);
  const std::int64_t mixture = terms.block(tokens * values);
  core.work = mixture + terms.block(all) +
              threads * terms.block(delta_mixture_room(mixer_sizes(), rows.longest), 1);
  if (terms.of(*out_proj_).trains) core.work -= mixture;  // its input, which is gone by then
  return core;
}

/// Chunk by chunk by LibTorch: each operation's results. `normed`: of those, what is behind the
/// rule.
AttentionCost GatedDeltaNetImpl::cost_in_pieces(const StepTerms& terms, const RowsShape& shape,
                                                std::int64_t tokens, std::int64_t normed) const {
  const PaddedRows rows = padded_rows(shape);
  const std::int64_t channels = sizes_.channels(), values = sizes_.values(),
                     heads = sizes_.value_heads, padded = rows.tokens();
  AttentionCost core;
  // The convolution's input and result, what the activation makes of it, and decay and write.
  core.kept = terms.block(padded * channels) +
              terms.block((padded + rows.rows * conv1d_->before()) * channels) +
              terms.block(padded * channels) + 2 * terms.floats(tokens * heads) +
              terms.floats(padded * heads) + terms.block(padded * heads);
  // The convolution's input, which of rows of one length is a view, holds the others, too.
  if (made_together(terms, tokens * (channels + values + 2 * heads)) && padded == tokens)
    core.kept += terms.block(tokens * (values + 2 * heads));
  // When the rule goes back, what is behind it is gone but for the gate's gradient. Behind the rule
  // come the gradients of the convolution's result, twice, and of its input.
  const std::int64_t gate = terms.block(tokens * values),
                     opened = terms.of(*out_proj_).trains ? gate : 0;
  core.work = gate - normed - opened +
              std::max(rule_work(terms, sizes_, rows), 3 * terms.block(padded * channels));
  return core;
}

AttentionBranchCost GatedDeltaNetImpl::cost(const StepTerms& terms, const RowsShape& shape,
                                            std::int64_t tokens, std::int64_t /*asked*/,
                                            bool flows) const {
  const bool own = terms.of(static_cast<const ParameterModule&>(*this)).trains ||
                   terms.of(*conv1d_).trains || terms.of(*norm_).trains;
  const bool loops = goes_in_loops(terms);
  const std::int64_t normed = loops ? 0
                                    : norm_kept(terms, norm_, tokens * sizes_.value_heads) +
                                          2 * terms.floats(tokens * sizes_.values());
  AttentionBranchCost cost = attention_branch_cost(
      terms, {in_proj_qkv_, in_proj_z_, in_proj_b_, in_proj_a_}, out_proj_,
      loops ? cost_in_loops(terms, shape, tokens) : cost_in_pieces(terms, shape, tokens, normed),
      normed, tokens, flows || own);
  add_plug(cost, terms, *this, tokens);
  return cost;
}

}  // namespace luthier
