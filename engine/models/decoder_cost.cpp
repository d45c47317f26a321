// SPDX-License-Identifier: GPL-3.0-or-later
// What the decoder's layers keep for their backward, as decoder.cpp computes them: attention its
// input, normed input, queries, keys and values after rotation and their mixture; the MLP its sum
// with the input, the normed sum, what stands before the activation and what stands after. A tensor
// is kept only where something that trains needs it.
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/models/decoder.h"
#include "engine/models/gemma4/layer.h"
#include "engine/models/mllama/across_layer.h"
#include "engine/models/opt/opt_options.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace {

/// A layer that no gradient reaches keeps nothing. What its forward needs stands where its backward
/// would: upon what the layers before it keep. Once while attention mixes: the embeddings, the
/// layer's input and its norm, queries, keys and values as the products and as the rotation gave
/// them, the mixture and what becomes of it; once when the MLP's last product is made: of the two
/// sides and what they come to, with six states, of which two are the embeddings and the layer's
/// input. `asked`: bytes of the states of those tokens that go through the MLP.
void add_passing(LayerCost& cost, const AttentionCost& core, const MlpCost& mlp, std::int64_t state,
                 std::int64_t asked) {
  const std::int64_t wide = mlp.released / 2;
  cost.attention_work = core.kept + core.kept / 2 + 4 * state;
  cost.mlp_work = 3 * wide + 2 * state + 4 * asked;
}

bool sees(const DecoderBlock& block) {
  const auto* own = dynamic_cast<const SeesPictures*>(&block);
  return own && own->sees_pictures();
}

}  // namespace

AttentionBranchCost SelfAttentionImpl::cost(const StepTerms& terms, const RowsShape& rows,
                                            std::int64_t tokens, std::int64_t asked,
                                            bool flows) const {
  const std::int64_t norms = q_norm_ ? norm_kept(terms, q_norm_, tokens * heads_) +
                                           norm_kept(terms, k_norm_, tokens * kv_heads_)
                                     : 0;
  // Keys before the rows want a gradient, and attention passes it on to them.
  const std::int64_t before = terms.keys_before;
  const Scores scores = rule_.softcap > 0 ? Scores::Capped
                        : rows.blocks     ? Scores::Stretched
                                          : Scores::Fused;
  AttentionCost core =
      attention_cost(terms, behind_keys(rows, before), heads_, kv_heads_, head_dim_, scores);
  std::int64_t gate = 0;
  if (gate_) {  // how far it is open, and the mixture before it, which is not the next input
    const std::int64_t all = terms.block(tokens * heads_ * head_dim_),
                       own = terms.block(asked * heads_ * head_dim_);
    if (asked < tokens)
      gate = all + 2 * own;
    else
      gate = core.holds_mixture ? all : 2 * all;
    core.holds_mixture = false;
    core.work += 2 * own;
  }
  // One product's gradient is put together of three when what attention kept is gone: no more than
  // stood there before.
  const auto branch = [&](std::initializer_list<Linear> inputs) {
    return attention_branch_cost(terms, inputs, o_proj_, core, norms + gate, tokens,
                                 flows || before > 0, asked < tokens ? asked : 0);
  };
  AttentionBranchCost cost = qkv_proj_ ? branch({qkv_proj_}) : branch({q_proj_, k_proj_, v_proj_});
  add_plug(cost, terms, *this, asked);
  return cost;
}

LayerCost DecoderLayerImpl::cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                                 std::int64_t asked, bool flows) const {
  if (shared_layernorm_) return side_by_side_cost(terms, rows, tokens, asked, flows);
  LayerCost cost;
  cost.share = trained_within(terms, *this);
  const std::int64_t width = input_layernorm_->weight.size(0);
  if (!flows && !cost.share.trains && terms.keys_before == 0) {
    add_passing(cost, mixer_->cost(terms, rows, tokens, asked, true).core,
                mlp_->cost(terms, asked, true), terms.block(tokens * width),
                terms.block(asked * width));
    return cost;
  }
  const bool sandwich = !pre_feedforward_layernorm_.is_empty();
  // Behind attention there are the tokens alone whose states are asked for. Their gradient waits
  // until attention's is made, and is then spread out among all.
  const std::int64_t state = terms.block(asked * width),
                     norm = norm_kept(terms, input_layernorm_, asked),
                     norm_backward = norm_work(terms, input_layernorm_, asked),
                     first_norm_backward = norm_work(terms, input_layernorm_, tokens);
  const AttentionBranchCost attention = mixer_->cost(terms, rows, tokens, asked, flows);
  const MlpCost mlp = mlp_->cost(terms, asked, attention.passes);
  cost.attention = (flows ? norm_kept(terms, input_layernorm_, tokens) : 0) + attention.kept +
                   (sandwich && attention.passes ? norm : 0);
  cost.mlp = (attention.passes ? norm : 0) + mlp.kept + (sandwich ? norm : 0);
  cost.mlp_work =
      state + (mlp.inside ? std::max(mlp.work, norm_backward - mlp.released) : mlp.down_work);
  cost.attention_work = state + first_norm_backward;
  if (attention.inside) {
    cost.attention_work =
        state + std::max(first_norm_backward, attention.core.work) + attention.core.scores;
  }
  return cost;
}

/// Backwards the MLP comes first; its part of the norm's gradient then waits for attention's.
LayerCost DecoderLayerImpl::side_by_side_cost(const StepTerms& terms, const RowsShape& rows,
                                              std::int64_t tokens, std::int64_t asked,
                                              bool flows) const {
  LayerCost cost;
  cost.share = trained_within(terms, *this);
  const std::int64_t width = shared_layernorm_->weight.size(0), state = terms.block(asked * width);
  const bool within = flows || terms.of(*shared_layernorm_).trains;
  if (!within && !cost.share.trains && terms.keys_before == 0) {
    add_passing(cost, mixer_->cost(terms, rows, tokens, asked, true).core,
                mlp_->cost(terms, asked, true), terms.block(tokens * width), state);
    return cost;
  }
  const AttentionBranchCost attention = mixer_->cost(terms, rows, tokens, asked, within);
  const MlpCost mlp = mlp_->cost(terms, asked, within);
  // Both read one tensor, but where the MLP reads some of its rows alone.
  const std::int64_t twice = asked == tokens ? std::min(attention.input, mlp.input) : 0;
  cost.attention = (within ? norm_kept(terms, shared_layernorm_, tokens) : 0) + attention.kept;
  cost.mlp = mlp.kept - twice;
  cost.mlp_work = state + (mlp.inside ? std::max(mlp.work, (within ? state : 0) - mlp.released)
                                      : mlp.down_work);
  const std::int64_t waits = within ? 2 * state : state,
                     norm_backward = norm_work(terms, shared_layernorm_, tokens);
  cost.attention_work = waits + norm_backward;
  if (attention.inside)
    cost.attention_work =
        waits + std::max(norm_backward, attention.core.work) + attention.core.scores;
  return cost;
}

void DecoderImpl::add_cost(const Pass& given, const DecoderEntry& entry,
                           std::vector<Stage>& stages) const {
  const StepTerms& terms = given.terms;
  Pass pass = given;  // as the layers meet it
  bool flows = entry.flows;
  const bool blocks = entry.blocks;
  if (terms.tokens_before > 0) {
    pass.lengths = longer_rows(pass.lengths, terms.tokens_before);
    pass.tokens += terms.tokens_before * static_cast<std::int64_t>(given.lengths.size());
    pass.rows = rows_shape(pass.lengths, /*causal=*/true);
    flows = true;
  }
  pass.rows.blocks = blocks;
  pass.rows.across_keys = entry.across, pass.rows.across_flows = entry.across_flows;
  const std::int64_t streams = streams_ ? streams_->count() : 1,  // states of each token
      state = terms.block(pass.tokens * streams * options.hidden_size);
  const bool capped = options.attention_softcap > 0;
  const bool masks = blocks || capped || !terms.flash || !flash_takes_heads(options.head_dim);
  std::vector<std::int64_t> windows;  // not all of Gemma 4's layers of full attention see blocks
  for (const auto& window : options.sliding_windows)
    if (!options.gemma4 || options.gemma4->sees_blocks(window.has_value()))
      windows.push_back(window.value_or(0));
  const bool turned = options.model_type != kOptDecoder;
  const std::int64_t table = turned ? terms.block(pass.tokens * options.head_dim) : 0,
                     wide_table = terms.block(pass.tokens * options.rotary.dimension);
  Stage shared;  // by all layers: tables of sines and cosines, masks
  shared.kept =
      (options.gemma4 ? 2 * (table + wide_table) : (options.two_rotaries ? 4 : 2) * table) +
      (per_layer_ ? per_layer_->kept(terms, pass.tokens, flows) : 0) +
      (masks ? masks_kept(terms, pass.rows, windows, blocks, capped, options.head_dim,
                          options.gemma4 ? options.gemma4->global_head_dim : 0)
             : 0) +
      entry.beside;
  std::int64_t pictures = 0;
  std::size_t last_across = 0;  // that looks across to them, from 1
  bool keeps_pictures = terms.checkpointing;
  for (std::size_t i = 0; entry.across > 0 && i < layers_.size(); ++i) {
    if (!sees(*layers_[i])) continue;
    const auto* layer = dynamic_cast<const SeesPictures*>(layers_[i].get());
    pictures = terms.block(entry.across * layer->state_width());
    last_across = i + 1, keeps_pictures = keeps_pictures || layer->keeps_states(terms);
  }
  if (last_across > 0 && keeps_pictures) shared.kept += pictures;
  if (streams_) shared.kept += streams_->spread_kept(terms, pass.tokens, flows);
  const bool of_embeddings = per_layer_ && per_layer_->flow(terms, flows);
  flows = streams_ ? streams_->flow(terms, flows) : flows;
  if (of_embeddings) shared.moments = {{shared.kept, per_layer_->work(terms, pass.tokens)}};
  if (!turned) {  // places are looked up in a table
    const auto parts = named_children();
    const auto* places = parts["embed_positions"]->as<EmbeddingImpl>();
    const TrainedShare share = terms.of(*places);
    shared.gradients += share.parameters * terms.gradient_element;
    const std::int64_t work = share.whole ? terms.block(places->weight.numel()) : 0;
    shared.moments = {{shared.kept, work}};
    flows = flows || share.trains;
  }
  stages.push_back(shared);
  // What the loss asks for: the last layer makes no more, where it can.
  const std::int64_t asked = given.asked > 0 ? given.asked : given.tokens,
                     asked_state = terms.block(asked * streams * options.hidden_size);
  const auto count = static_cast<std::int64_t>(layers_.size());
  const bool narrow = asked < pass.tokens && count > 0 && entry.deepstack < count &&
                      layers_.back()->narrows() &&
                      trained_within(terms, layers_.back()->module()).row_by_row;
  // Queries that have grown are kept beside those before, which lie among keys and values.
  const auto longest = std::max_element(pass.lengths.begin(), pass.lengths.end());
  const bool grown = options.query_scale_beta != 0 && longest != pass.lengths.end() &&
                     *longest > options.query_scale_length;
  const std::int64_t queries =
      grown ? terms.block(pass.tokens * options.num_attention_heads * options.head_dim) : 0;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    const bool across = options.looks_across(static_cast<std::int64_t>(i));
    if (across && entry.across == 0) continue;
    const bool narrows = narrow && i + 1 == layers_.size();
    LayerCost cost =
        layer->cost(terms, pass.rows, pass.tokens, narrows ? asked : pass.tokens, flows);
    if (cost.attention > 0) cost.attention += queries;
    stages.push_back(layer_stage(terms, cost, state, narrows ? asked_state : state));
    if (options.gemma4 && (flows || cost.share.trains)) {
      const std::int64_t waiting =
          gemma4_waiting(options, terms, static_cast<std::int64_t>(i), pass.tokens, of_embeddings);
      for (Stage::Moment& moment : stages.back().moments) moment.work += waiting;
      // Made again, later layers read the keys and values that they saw.
      if (terms.checkpointing && options.gemma4->is_seen(static_cast<std::int64_t>(i)))
        stages.back().kept +=
            gemma4_keys(options, terms, static_cast<std::int64_t>(i), pass.tokens);
    }
    if (entry.across_flows && i < last_across)  // the gradient of what later layers saw
      for (Stage::Moment& moment : stages.back().moments) moment.work += pictures;
    // What a layer that is made once more keeps for its first norm is the input that was kept.
    if (terms.checkpointing && flows)
      for (Stage::Moment& moment : stages.back().moments) moment.left -= state;
    flows = flows || cost.share.trains || terms.keys_before > 0 || of_embeddings ||
            (entry.across_flows && sees(*layer));
  }
  Stage last;  // of what is asked for
  const std::int64_t kept = layer_norm_ ? norm_kept(terms, layer_norm_, asked)
                                        : norm_kept(terms, norm_, asked),
                     work = layer_norm_ ? norm_work(terms, layer_norm_, asked)
                                        : norm_work(terms, norm_, asked);
  last.kept = flows ? kept + (streams_ ? streams_->joined_kept(terms, asked) : 0) : 0;
  last.moments = {
      {last.kept, terms.block(pass.labels * options.hidden_size) + (narrow ? 0 : state) + work}};
  stages.push_back(last);
}

std::int64_t DecoderImpl::passed_by(const StepTerms& terms) const {
  std::int64_t numbers = 0;
  for (std::size_t i = 0; i < layers_.size(); ++i)
    if (options.looks_across(static_cast<std::int64_t>(i)))
      numbers += trained_within(terms, layers_[i]->module()).parameters;
  return numbers;
}

}  // namespace luthier
