// SPDX-License-Identifier: GPL-3.0-or-later
// What a Q-Former keeps for its backward, as qformer.cpp computes it: of each branch the input of
// its products where they train, what attention or the activation keeps, and the sum that the norm
// behind it takes. The pictures' states stand once for all layers.
#include <algorithm>
#include <numeric>

#include "engine/models/blip2/qformer.h"
#include "engine/nn/module_cost.h"

namespace luthier {

namespace {

struct QFormerBranch {
  std::int64_t kept = 0, work = 0;
};

std::vector<std::int64_t> rows_of(std::int64_t count, std::int64_t length) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(count), length);
}

std::int64_t sum_of(const std::vector<std::int64_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

}  // namespace

bool QFormerLayer::keeps_pictures(const StepTerms& terms) const {
  return across_.query && products_cost(terms, {across_.key, across_.value}, 1).input > 0;
}

Stage QFormerLayer::cost(const StepTerms& terms, const QFormerPass& pass, bool flows) const {
  const std::int64_t width = options_.hidden_size, heads = options_.num_attention_heads,
                     queries = pass.pictures * options_.queries;
  std::vector<std::int64_t> lengths = rows_of(pass.pictures, options_.queries);
  if (pass.pictures == 0) lengths = pass.texts;
  for (std::size_t row = 0; pass.pictures > 0 && row < std::min(lengths.size(), pass.texts.size());
       ++row)
    lengths[row] += pass.texts[row];
  const std::int64_t all = sum_of(lengths), texts = all - queries, state = terms.block(all * width),
                     memory = pass.pictures * pass.picture_tokens;
  const auto core_of = [&](const RowsShape& rows) {
    return attention_cost(terms, rows, heads, heads, width / heads);
  };
  const RowsShape rows = rows_shape(lengths, pass.written),
                  across = across_shape(rows_of(pass.pictures, options_.queries),
                                        rows_of(pass.pictures, pass.picture_tokens));
  Stage stage;
  const TrainedShare share = trained_within(terms, *this);
  stage.gradients = pass.again ? 0 : share.parameters * terms.gradient_element;
  if (!flows && !share.trains && !pass.memory_flows) {
    // Nothing is kept; what its forward needs stands where its backward would.
    const auto passing = [&](const RowsShape& shape) {
      const AttentionCost core = core_of(shape);
      return core.kept + core.kept / 2 + 4 * state;
    };
    std::int64_t work =
        std::max(passing(rows), 2 * terms.block(all * options_.intermediate_size) + 4 * state);
    if (across_.query && queries > 0) work = std::max(work, passing(across));
    stage.moments = {{0, work}};
    return stage;
  }
  std::vector<QFormerBranch> branches;
  bool below = flows;
  const auto add = [&](const AttentionBranchCost& inner, const LayerNorm& norm,
                       std::int64_t tokens) {
    below = below || inner.passes || terms.of(*norm).trains;
    branches.push_back(
        {inner.kept + (below ? norm_kept(terms, norm, tokens) : 0),
         std::max(norm_work(terms, norm, tokens), terms.block(tokens * width) + inner.core.work)});
  };
  add(attention_branch_cost(terms, {self_.query, self_.key, self_.value}, self_.out, core_of(rows),
                            0, all, below),
      self_.norm, all);
  if (across_.query && queries > 0) {
    add(across_branch_cost(terms, across_.query, {across_.key, across_.value}, across_.out,
                           core_of(across), queries, memory, below, pass.memory_flows),
        across_.norm, queries);
  }
  const auto feed = [&](const FeedForward& forward, std::int64_t tokens) {
    const MlpCost mlp = mlp_cost(terms, {forward.wide}, forward.narrow, tokens, below);
    const bool normed = below || mlp.inside || terms.of(*forward.norm).trains;
    branches.push_back(
        {mlp.kept + (normed ? norm_kept(terms, forward.norm, tokens) : 0),
         std::max(norm_work(terms, forward.norm, tokens), terms.block(tokens * width) + mlp.work)});
  };
  if (queries > 0) feed(of_queries_, queries);
  if (texts > 0 && of_text_.wide) feed(of_text_, texts);
  for (const QFormerBranch& branch : branches) stage.kept += branch.kept;
  std::int64_t there = stage.kept;
  for (auto branch = branches.rbegin(); branch != branches.rend(); ++branch) {
    stage.moments.push_back({there, branch->work});
    there -= branch->kept;
  }
  return stage;
}

void QFormer::add_cost(const StepTerms& terms, const QFormerPass& pass, bool& flows,
                       std::vector<Stage>& stages) const {
  const std::int64_t tokens = pass.pictures * options_.queries + sum_of(pass.texts);
  TrainedShare norm = terms.of(*layernorm_);
  Stage first;
  std::int64_t tables = 0;  // a lookup's gradient is as large as its table
  for (const Embedding& table : {words_, positions_}) {
    if (!table) continue;
    const TrainedShare share = terms.of(*table);
    if (share.whole) tables = std::max(tables, terms.block(table->weight.numel()));
    norm += share;
  }
  flows = flows || norm.trains;
  if (flows) first.kept = norm_kept(terms, layernorm_, tokens);
  if (pass.written) {  // what of a row's keys a token sees, once for all layers
    std::vector<std::int64_t> lengths = pass.texts;
    for (std::int64_t& length : lengths) length += options_.queries;
    first.kept += masks_kept(terms, rows_shape(lengths, /*causal=*/true),
                             std::vector<std::int64_t>(layers_.size(), 0), /*blocks=*/true,
                             /*capped=*/false, options_.hidden_size / options_.num_attention_heads);
  }
  first.moments = {{first.kept, norm_work(terms, layernorm_, tokens) + tables}};
  first.gradients = pass.again ? 0 : norm.parameters * terms.gradient_element;
  stages.push_back(first);
  for (const auto& layer : layers_) {
    stages.push_back(layer->cost(terms, pass, flows));
    flows = flows || pass.memory_flows || trained_within(terms, *layer).trains;
  }
}

}  // namespace luthier
