// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/lxmert/cross_layer.h"

#include <algorithm>

#include "engine/models/bert/named_parts.h"
#include "engine/models/blocks/branch_stages.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr TextLayerNames kWordSide{
    "lang_self_att.self.query",   "lang_self_att.self.key",         "lang_self_att.self.value",
    "lang_self_att.output.dense", "lang_self_att.output.LayerNorm", "lang_inter.dense",
    "lang_output.dense",          "lang_output.LayerNorm"};
constexpr TextLayerNames kRegionSide{
    "visn_self_att.self.query",   "visn_self_att.self.key",         "visn_self_att.self.value",
    "visn_self_att.output.dense", "visn_self_att.output.LayerNorm", "visn_inter.dense",
    "visn_output.dense",          "visn_output.LayerNorm"};

}  // namespace

CrossLayer::CrossLayer(const TextLayerSizes& sizes, const torch::TensorOptions& t)
    : heads_(sizes.heads) {
  const std::int64_t width = sizes.hidden;
  const auto made = neighbouring_linears(width, {width, width, width}, true, t);
  query_ = register_at(*this, "visual_attention.att.query", made[0]);
  key_ = register_at(*this, "visual_attention.att.key", made[1]);
  value_ = register_at(*this, "visual_attention.att.value", made[2]);
  out_ = register_at(*this, "visual_attention.output.dense", Linear(width, width, true, t));
  norm_ = register_at(*this, "visual_attention.output.LayerNorm",
                      LayerNorm(width, sizes.layer_norm_eps, t));
  const auto side = [&](const TextLayerNames& names) {
    auto layer = std::make_shared<TextLayer>(sizes, names, t);
    for (const auto& child : layer->named_children()) register_module(child.key(), child.value());
    return layer;
  };
  word_layer_ = side(kWordSide);
  region_layer_ = side(kRegionSide);
}

Tensor CrossLayer::across(const Tensor& x, const RowLayout& rows, const Tensor& seen,
                          const RowLayout& seen_rows) const {
  AttentionRule both_ways;
  both_ways.causal = false;
  const RowStates memory{seen, seen_rows};
  const LayerFrame frame{rows, nullptr, &memory};
  return norm_->forward(x + attend_memory(x, frame, query_, key_, value_, out_, heads_, both_ways));
}

std::vector<Tensor> CrossLayer::forward(const Tensor& words, const Tensor& regions,
                                        const LxmertRows& rows, bool last) const {
  const Tensor seeing = across(words, rows.words, regions, rows.regions);
  if (last) return {word_layer_->forward(seeing, {rows.words})};
  const Tensor seen = across(regions, rows.regions, words, rows.words);
  return {word_layer_->forward(seeing, {rows.words}), region_layer_->forward(seen, {rows.regions})};
}

TrainedShare CrossLayer::trained(const StepTerms& terms, const torch::nn::Module& module) {
  return trained_within(terms, module);
}

Stage CrossLayer::cost(const StepTerms& terms, const CrossPass& pass, bool words_flow,
                       bool regions_flow, bool last) const {
  const std::int64_t width = query_->in_features();
  std::vector<BranchStage> branches;
  const auto look = [&](std::int64_t own, std::int64_t other, const RowsShape& shape, bool flows,
                        bool others_flow) {
    const AttentionCost core = attention_cost(terms, shape, heads_, heads_, width / heads_);
    const AttentionBranchCost branch = across_branch_cost(terms, query_, {key_, value_}, out_, core,
                                                          own, other, flows, others_flow);
    const bool normed = branch.passes || terms.of(*norm_).trains;
    branches.push_back(
        {branch.kept + (normed ? norm_kept(terms, norm_, own) : 0),
         std::max(norm_work(terms, norm_, own),
                  terms.block(own * width) + branch.core.work + branch.core.scores)});
    return normed;
  };
  const auto within = [&](const TextLayer& layer, std::int64_t own, const RowsShape& shape,
                          bool flows) {
    const LayerCost cost = layer.cost(terms, shape, own, flows);
    branches.push_back({cost.attention, cost.attention_work});
    branches.push_back({cost.mlp, cost.mlp_work});
  };
  const bool words_on = look(pass.words, pass.regions, pass.to_regions, words_flow, regions_flow);
  const bool regions_on =
      !last && look(pass.regions, pass.words, pass.to_words, regions_flow, words_flow);
  within(*word_layer_, pass.words, pass.of_words, words_on);
  if (!last) within(*region_layer_, pass.regions, pass.of_regions, regions_on);
  TrainedShare share = trained(terms, *this);
  if (last) share.parameters -= of_regions(terms).parameters;
  const std::int64_t states = terms.block((pass.words + pass.regions) * width);
  return stage_of_branches(terms, branches, share.parameters * terms.gradient_element, states,
                           states);
}

}  // namespace luthier
