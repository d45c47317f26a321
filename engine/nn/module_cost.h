// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts that layers are made of keep for the backward: products with what hangs on them,
// norms, attention, MLPs. Layers add these up in the order of their own forward.
#pragma once

#include <initializer_list>

#include "engine/nn/cost.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"
#include "engine/nn/patch_product.h"

namespace luthier {

/// Of a module and all below it, with what hangs on its branches.
TrainedShare trained_within(const StepTerms& terms, const torch::nn::Module& module);

/// What hangs on products of one input keeps for so many rows, besides that input.
std::int64_t rows_kept(const StepTerms& terms, const TrainedShare& share, std::int64_t rows);

/// Products of one input of so many rows.
ProductsCost products_cost(const StepTerms& terms, std::initializer_list<Linear> linears,
                           std::int64_t rows);

/// The product of a convolution over patches with as many windows as `numbers` numbers are.
ProductsCost patches_cost(const StepTerms& terms, const PatchProduct& patches,
                          std::int64_t numbers);

/// A norm that a gradient passes keeps its input and a number or two a row.
std::int64_t norm_kept(const StepTerms& terms, const RmsNorm& norm, std::int64_t rows);
std::int64_t norm_kept(const StepTerms& terms, const LayerNorm& norm, std::int64_t rows);
/// Temporaries of its backward.
std::int64_t norm_work(const StepTerms& terms, const RmsNorm& norm, std::int64_t rows);
std::int64_t norm_work(const StepTerms& terms, const LayerNorm& norm, std::int64_t rows);

AttentionCost attention_cost(const StepTerms& terms, const RowsShape& rows, std::int64_t heads,
                             std::int64_t kv_heads, std::int64_t head_dim,
                             Scores scores = Scores::Fused);

/// A bias on the scores (ScoreBias) with the mask that it stands together with, which the layers
/// share.
std::int64_t bias_kept(const StepTerms& terms, const RowsShape& rows, std::int64_t heads);

/// What hangs behind a branch, whose result has so many rows.
void add_plug(AttentionBranchCost& cost, const StepTerms& terms, const BranchPort& branch,
              std::int64_t rows);
void add_plug(MlpCost& cost, const StepTerms& terms, const BranchPort& branch, std::int64_t rows);

/// Masks that all layers share, or the stretches of keys that stand in their place where loops of
/// our own take heads of this size. `windows`: of each layer, 0: all that stands before; `blocks`:
/// some tokens see one another both ways, so that each row has a mask of its own; keys before the
/// rows (terms.keys_before) need one, too. `whole_head_dim`: where layers without a window have
/// heads of another size.
std::int64_t masks_kept(const StepTerms& terms, const RowsShape& rows,
                        const std::vector<std::int64_t>& windows, bool blocks, bool capped,
                        std::int64_t head_dim, std::int64_t whole_head_dim = 0);

/// `inputs`: the products that make queries, keys and values; `between`: what is kept between those
/// and attention; `flows`: a gradient is wanted below the branch; `asked`: of the rows, which alone
/// go through the last product, as a copy; 0: all do.
AttentionBranchCost attention_branch_cost(const StepTerms& terms,
                                          std::initializer_list<Linear> inputs, const Linear& out,
                                          const AttentionCost& core, std::int64_t between,
                                          std::int64_t rows, bool flows, std::int64_t asked = 0);

/// Of a branch whose queries look across to other states: `seen` makes keys and values of those, of
/// `memory_rows`, of which a gradient is wanted where `memory_flows`.
AttentionBranchCost across_branch_cost(const StepTerms& terms, const Linear& query,
                                       std::initializer_list<Linear> seen, const Linear& out,
                                       const AttentionCost& core, std::int64_t rows,
                                       std::int64_t memory_rows, bool flows, bool memory_flows);

/// `inputs`: one product, or a gate and what it opens, which may be one product too. The activation
/// keeps what they made.
MlpCost mlp_cost(const StepTerms& terms, std::initializer_list<Linear> inputs, const Linear& out,
                 std::int64_t rows, bool flows);

}  // namespace luthier
