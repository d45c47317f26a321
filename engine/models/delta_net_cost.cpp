// SPDX-License-Identifier: GPL-3.0-or-later
// What the delta rule keeps of a step is what it is given; the pieces of its chunks stand while its
// backward makes them again.
#include <algorithm>

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

/// Float32 numbers that stand at once while the backward goes through the chunks: of each token of
/// a head so many keys, values and rows of a chunk's square, and the states between chunks.
std::int64_t chunk_pieces(const DeltaSizes& sizes, const PaddedRows& rows) {
  const std::int64_t heads = rows.rows * sizes.value_heads,
                     each = 14 * sizes.key_dim + 10 * sizes.value_dim + 8 * rows.chunk();
  return heads * rows.chunks() * (rows.chunk() * each + 2 * sizes.key_dim * sizes.value_dim);
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
  // Of rows of one length the input is a view of all that the products gave.
  if (padded == tokens) core.kept += terms.block(tokens * (values + 2 * heads));
  core.work = terms.floats(chunk_pieces(sizes_, rows)) + terms.block(padded * (channels + values));
  const std::int64_t normed =
      norm_kept(terms, norm_, tokens * heads) + 2 * terms.floats(tokens * values);
  AttentionBranchCost cost =
      attention_branch_cost(terms, {in_proj_qkv_, in_proj_z_, in_proj_b_, in_proj_a_}, out_proj_,
                            core, normed, tokens, flows || own);
  add_plug(cost, terms, *this, tokens);
  return cost;
}

}  // namespace luthier
