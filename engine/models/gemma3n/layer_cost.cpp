// SPDX-License-Identifier: GPL-3.0-or-later
// What Gemma 3n's layers keep for their backward, as layer.cpp and alt_up.cpp compute them.
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/models/gemma3n/layer.h"
#include "engine/nn/module_cost.h"

namespace luthier {

LayerCost Gemma3nLayerImpl::cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                                 std::int64_t asked, bool flows) const {
  LayerCost cost;
  cost.share = trained_within(terms, *this);
  const std::int64_t state = terms.block(asked * hidden_size()),
                     all = terms.block(tokens * hidden_size()), streams = streams_ * state,
                     all_streams = streams_ * all;
  if (!flows && !cost.share.trains) {  // no gradient reaches it: what stands while it runs
    const AttentionCost core = self_attn_->cost(terms, rows, tokens, asked, true).core;
    const MlpCost mlp = mlp_->cost(terms, asked, true);
    cost.attention_work = core.kept + core.kept / 2 + 4 * all + 2 * all_streams;
    cost.mlp_work = 3 * (mlp.released / 2) + 2 * all_streams + 4 * state;
    return cost;
  }
  const AttentionBranchCost attention = self_attn_->cost(terms, rows, tokens, asked, true);
  const MlpCost mlp = mlp_->cost(terms, asked, true);
  const std::int64_t norm = norm_kept(terms, input_layernorm_, asked),
                     first_norm = norm_kept(terms, input_layernorm_, tokens),
                     norm_backward = norm_work(terms, input_layernorm_, asked);
  const ProductsCost left = products_cost(terms, {laurel_->first()}, asked);
  // The norm's result is attention's input and the low-rank way's, which is a copy where not all
  // rows go on.
  const std::int64_t read = asked < tokens || attention.input == 0 ? left.input : 0;
  cost.attention = altup_->predict_kept(terms, tokens) + first_norm + attention.kept + norm + read +
                   laurel_->kept(terms, asked, true);
  const std::int64_t narrow = terms.block(asked * per_layer_input_gate_->out_features());
  const ProductsCost gate = products_cost(terms, {per_layer_input_gate_}, asked),
                     back = products_cost(terms, {per_layer_projection_}, asked);
  cost.mlp = norm + mlp.kept + norm + altup_->correct_kept(terms, asked) +
             (terms.of(*altup_).trains ? state : 0) + gate.input + gate.numbers + back.input +
             back.numbers + narrow + norm;
  if (asked < tokens) cost.mlp += narrow;
  // The streams' gradients, before and behind what corrects or predicts them, and the state's.
  cost.mlp_work = 2 * streams + 2 * state + std::max(mlp.work, norm_backward);
  cost.attention_work = 2 * streams + all_streams + state +
                        std::max(norm_work(terms, input_layernorm_, tokens),
                                 attention.core.work + attention.core.scores);
  return cost;
}

}  // namespace luthier
