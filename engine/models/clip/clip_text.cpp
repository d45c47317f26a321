// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/clip/clip_text.h"

#include "engine/models/config_numbers.h"
#include "engine/models/cost.h"
#include "engine/nn/attention.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

class ClipTextPart : public torch::nn::Module {};

class ClipTextAttention : public torch::nn::Module, public BranchPort {
 public:
  ClipTextAttention(const VisionSizes& o, bool both_ways, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.hidden_size), heads_(o.num_attention_heads) {
    rule_.causal = !both_ways;
    const std::int64_t width = o.hidden_size;
    const auto made = neighbouring_linears(width, {width, width, width}, true, t);
    key_ = register_module("k_proj", made[1]);
    value_ = register_module("v_proj", made[2]);
    query_ = register_module("q_proj", made[0]);
    out_ = register_module("out_proj", Linear(width, width, true, t));
  }
  Tensor forward(const Tensor& x, const RowLayout& rows) {
    const auto split = [&](const Tensor& y) { return y.view({y.size(0), heads_, -1}); };
    const auto made = side_by_side(x, {query_.get(), key_.get(), value_.get()});
    return out_(attend(split(made[0]), split(made[1]), split(made[2]), rows, rule_));
  }
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                           bool flows) const {
    const AttentionCost core =
        attention_cost(terms, rows, heads_, heads_, query_->out_features() / heads_);
    return attention_branch_cost(terms, {query_, key_, value_}, out_, core, 0, tokens, flows);
  }

 private:
  std::int64_t heads_;
  AttentionRule rule_;
  Linear key_{nullptr}, value_{nullptr}, query_{nullptr}, out_{nullptr};
};

}  // namespace

class ClipTextTower::Embeddings : public torch::nn::Module {
 public:
  Embeddings(const ClipTextOptions& o, const torch::TensorOptions& t) {
    tokens_ = register_module("token_embedding", Embedding(o.vocab_size, o.sizes.hidden_size, t));
    positions_ = register_module("position_embedding",
                                 Embedding(o.max_position_embeddings, o.sizes.hidden_size, t));
  }
  Tensor forward(const Tensor& ids, const RowLayout& rows) const {
    TORCH_CHECK(rows.longest() <= positions_->weight.size(0), "a text of ", rows.longest(),
                " tokens is longer than the model's ", positions_->weight.size(0), " positions");
    return tokens_->forward(ids) + positions_->forward(rows.positions(ids.device()));
  }
  Stage cost(const StepTerms& terms, std::int64_t tokens) const {
    const TrainedShare share = trained_within(terms, *this);
    Stage stage;
    if (terms.of(*positions_).trains) stage.kept = terms.block(tokens, 8);
    stage.moments = {{stage.kept, terms.block(tokens * tokens_->weight.size(1))}};
    stage.gradients = share.parameters * terms.gradient_element;
    return stage;
  }

 private:
  Embedding tokens_{nullptr}, positions_{nullptr};
};

class ClipTextTower::Layer : public torch::nn::Module {
 public:
  Layer(const VisionSizes& o, bool both_ways, const torch::TensorOptions& t) {
    attention_ = register_module("self_attn", std::make_shared<ClipTextAttention>(o, both_ways, t));
    norm1_ = register_module("layer_norm1", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
    norm2_ = register_module("layer_norm2", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  }
  Tensor forward(const Tensor& x, const RowLayout& rows) {
    const Tensor attended = x + attention_->joined(attention_->forward(norm1_(x), rows), x);
    return attended + mlp_->joined(mlp_->forward(norm2_(attended)), attended);
  }
  LayerCost cost(const Pass& pass, bool flows) const {
    const StepTerms& terms = pass.terms;
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(pass.tokens * norm1_->weight.size(0));
    parts.norm_before = norm_kept(terms, norm1_, pass.tokens);
    parts.norm_after = norm_kept(terms, norm2_, pass.tokens);
    parts.attention = attention_->cost(terms, pass.rows, pass.tokens, flows);
    parts.mlp = mlp_->cost(terms, pass.tokens, parts.attention.passes);
    return tower_layer_cost(parts);
  }

  /// Temporaries of its forward where nothing is kept of it: what it is given, what it adds to and
  /// the normed, and in the MLP what the activation takes and makes; a quick gelu is made of one
  /// more as wide, any other passes that over before a fourth state stands.
  std::int64_t passing(const Pass& pass, const VisionSizes& sizes) const {
    const StepTerms& terms = pass.terms;
    const bool quick = sizes.hidden_act == Activation::QuickGelu;
    return (quick ? 3 : 4) * terms.block(pass.tokens * sizes.hidden_size) +
           (quick ? 3 : 2) * terms.block(pass.tokens * sizes.intermediate_size);
  }

 private:
  std::shared_ptr<ClipTextAttention> attention_;
  std::shared_ptr<VisionMlp> mlp_;
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
};

ClipTextTower::ClipTextTower(const ClipTextOptions& o, const torch::TensorOptions& t) : options(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.sizes.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o.sizes, o.both_ways, t));
    list->push_back(layers_.back());
  }
  register_module("encoder", std::make_shared<ClipTextPart>())->register_module("layers", list);
  final_norm_ = register_module("final_layer_norm",
                                LayerNorm(o.sizes.hidden_size, o.sizes.layer_norm_eps, t));
}

Tensor ClipTextTower::through(const Tensor& ids, const RowLayout& layout, bool checkpointing) {
  Tensor x = embeddings_->forward(ids, layout);
  for (const auto& layer : layers_) {
    const auto run = [&layer, layout](const Tensor& in) { return layer->forward(in, layout); };
    x = checkpointing ? checkpointed(run, x) : run(x);
  }
  return x;
}

Tensor ClipTextTower::forward(const Tensor& ids, const RowLayout& layout, std::int64_t rows,
                              bool checkpointing) {
  const Tensor x = through(ids, layout, checkpointing);
  return final_norm_(x.index_select(0, ends(ids, layout.lengths(), rows)));
}

Tensor ClipTextTower::states(const Tensor& ids, const RowLayout& layout, bool checkpointing) {
  return final_norm_(through(ids, layout, checkpointing));
}

/// The first end token of each row, its first token where there is none. Older files name the id 2,
/// which never was it: there the largest id is taken for it. Where all see all, the last.
Tensor ClipTextTower::ends(const Tensor& ids, const std::vector<std::int64_t>& lengths,
                           std::int64_t rows) const {
  if (options.both_ways) {
    std::vector<std::int64_t> last;
    std::int64_t end = 0;
    for (std::int64_t row = 0; row < rows; ++row)
      last.push_back((end += lengths[static_cast<std::size_t>(row)]) - 1);
    return torch::tensor(last, torch::kInt64).to(ids.device());
  }
  const Tensor marks =
      options.eos_token_id == 2 ? ids : (ids == options.eos_token_id).to(ids.dtype());
  std::vector<Tensor> places;
  std::int64_t start = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t length = lengths[static_cast<std::size_t>(row)];
    places.push_back(marks.slice(0, start, start + length).argmax() + start);
    start += length;
  }
  return at::stack(places);
}

bool ClipTextTower::add_cost(const Pass& pass, std::int64_t rows, PassCost& cost) const {
  const StepTerms& terms = pass.terms;
  cost.stages.push_back(embeddings_->cost(terms, pass.tokens));
  bool flows = trained_within(terms, *embeddings_).trains;
  const std::int64_t state = terms.block(pass.tokens * options.sizes.hidden_size);
  for (const auto& layer : layers_) {
    const LayerCost of_layer = layer->cost(pass, flows);
    flows = flows || of_layer.share.trains;
    cost.stages.push_back(layer_stage(terms, of_layer, state, state));
    // A fixed text costs most while it passes, since nothing behind it is as wide.
    if (!flows && !terms.checkpointing)
      cost.stages.back().moments = {{0, layer->passing(pass, options.sizes)}};
  }
  Stage end;  // the states of the end tokens alone; their gradient is one of all tokens again
  const TrainedShare norm = terms.of(*final_norm_);
  flows = flows || terms.checkpointing;  // which takes part in the graph whatever trains
  const bool wanted = flows || norm.trains;
  if (wanted) end.kept = norm_kept(terms, final_norm_, rows);
  end.moments = {{end.kept, flows ? 2 * state : 0}};
  end.gradients = norm.parameters * terms.gradient_element;
  cost.stages.push_back(end);
  return wanted;
}

Result<ClipTextOptions> read_clip_text_options(const Json& config, const std::string& where) {
  ClipTextOptions o;
  VisionSizes& s = o.sizes;
  s.hidden_size = 512, s.intermediate_size = 2048, s.num_attention_heads = 8;
  Json sizes = config;  // a text has no pixels
  for (const char* key : {"image_size", "patch_size", "num_channels"}) sizes.erase(key);
  LUTHIER_CHECK(read_vision_sizes(sizes, where, s));
  LUTHIER_CHECK(read_in_range(config, "vocab_size", where, 1, 1 << 24, o.vocab_size));
  LUTHIER_CHECK(read_in_range(config, "max_position_embeddings", where, 1, 1 << 20,
                              o.max_position_embeddings));
  LUTHIER_CHECK(read_in_range(config, "eos_token_id", where, 0, 1 << 24, o.eos_token_id));
  return o;
}

}  // namespace luthier
