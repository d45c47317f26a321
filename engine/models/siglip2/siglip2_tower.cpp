// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/siglip2/siglip2_tower.h"

#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/pooling_head.h"
#include "engine/nn/attention.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kNaflexShares = "position_shares", *kNaflexRows = "frames";

RowLayout rows_of(const std::vector<PatchGrid>& frames) {
  std::vector<std::int64_t> lengths;
  for (const PatchGrid& frame : frames) lengths.push_back(frame.rows * frame.columns);
  return RowLayout(std::move(lengths));
}

class NaflexAttention : public torch::nn::Module, public BranchPort {
 public:
  NaflexAttention(const Siglip2Options& o, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.hidden_size),
        heads_(o.num_attention_heads),
        size_(o.hidden_size / o.num_attention_heads) {
    const std::int64_t across = o.hidden_size;
    const auto made = neighbouring_linears(across, {across, across, across}, true, t);
    k_proj_ = register_module("k_proj", made[1]);
    v_proj_ = register_module("v_proj", made[2]);
    q_proj_ = register_module("q_proj", made[0]);
    out_proj_ = register_module("out_proj", Linear(across, across, true, t));
  }
  Tensor forward(const Tensor& x, const RowLayout& rows) {
    const auto made = side_by_side(x, {q_proj_.get(), k_proj_.get(), v_proj_.get()});
    const auto split = [&](const Tensor& part) { return part.view({-1, heads_, size_}); };
    const Tensor mixed =
        attend(split(made[0]), split(made[1]), split(made[2]), rows, {false, {}, 0, 0});
    return out_proj_(mixed);
  }
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t patches, bool flows) const {
    const AttentionCost core =
        attention_cost(terms, unmoved_rows(terms, patches), heads_, heads_, size_);
    AttentionBranchCost cost = attention_branch_cost(terms, {q_proj_, k_proj_, v_proj_}, out_proj_,
                                                     core, 0, patches, flows);
    add_plug(cost, terms, *this, patches);
    return cost;
  }

 private:
  std::int64_t heads_, size_;
  Linear k_proj_{nullptr}, v_proj_{nullptr}, q_proj_{nullptr}, out_proj_{nullptr};
};

}  // namespace

class Siglip2Tower::Embeddings : public torch::nn::Module {
 public:
  Embeddings(const Siglip2Options& o, const torch::TensorOptions& t) {
    patch_embedding_ =
        register_module("patch_embedding", Linear(o.patch_values(), o.hidden_size, true, t));
    position_embedding_ = register_module(
        "position_embedding", Embedding(o.position_side * o.position_side, o.hidden_size, t));
  }
  /// `shares`: position_shares().
  Tensor forward(const Tensor& patches, const Tensor& shares) {
    const Tensor& table = position_embedding_->weight;
    // In float32, as the reference stretches it.
    const Tensor positions = at::mm(shares, table.to(torch::kFloat32)).to(table.scalar_type());
    return patch_embedding_(patches.to(table.scalar_type())) + positions;
  }
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t patches) const {
    const ProductsCost product = products_cost(terms, {patch_embedding_}, patches);
    const std::int64_t cells = position_embedding_->weight.size(0);
    const bool stretched = terms.of(*position_embedding_).trains || !terms.cpu;
    cost.add_part(terms, trained_within(terms, *this),
                  product.input + product.numbers + (stretched ? terms.floats(patches * cells) : 0),
                  product.work);
  }

 private:
  Linear patch_embedding_{nullptr};
  Embedding position_embedding_{nullptr};
};

class Siglip2Tower::Encoder : public torch::nn::Module {};

class Siglip2Tower::Layer : public torch::nn::Module {
 public:
  Layer(const Siglip2Options& o, const torch::TensorOptions& t) {
    layer_norm1_ = register_module("layer_norm1", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    self_attn_ = register_module("self_attn", std::make_shared<NaflexAttention>(o, t));
    layer_norm2_ = register_module("layer_norm2", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
  }
  Tensor forward(const Tensor& x, const RowLayout& rows) {
    const Tensor attended = x + self_attn_->joined(self_attn_->forward(layer_norm1_(x), rows), x);
    return attended + mlp_->joined(mlp_->forward(layer_norm2_(attended)), attended);
  }
  LayerCost cost(const StepTerms& terms, std::int64_t patches, bool flows) const {
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(patches * layer_norm1_->weight.size(0));
    parts.norm_before = norm_kept(terms, layer_norm1_, patches);
    parts.norm_after = norm_kept(terms, layer_norm2_, patches);
    parts.attention = self_attn_->cost(terms, patches, flows);
    parts.mlp = mlp_->cost(terms, patches, parts.attention.passes);
    return tower_layer_cost(parts);
  }

 private:
  LayerNorm layer_norm1_{nullptr}, layer_norm2_{nullptr};
  std::shared_ptr<NaflexAttention> self_attn_;
  std::shared_ptr<VisionMlp> mlp_;
};

Result<Siglip2Options> read_siglip2_options(const Json& config, const std::string& where) {
  Siglip2Options o;
  LUTHIER_TRY(const std::string type,
              json_string(config, "model_type", where, "siglip2_vision_model"));
  if (type != "siglip2_vision_model")
    return input_error("The vision tower \"" + type + "\" is not known.", where + ": model_type",
                       "Known is siglip2_vision_model.");
  o.patch_size = 16;
  o.image_height = o.image_width = 1 << 14;  // pictures have no size of their own here
  o.layer_norm_eps = 1e-6;
  o.hidden_act = Activation::GeluTanh;
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  std::int64_t positions = 256;
  LUTHIER_CHECK(read_in_range(config, "num_patches", where, 1, 1 << 14, positions));
  o.position_side =
      static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(positions))));
  if (o.position_side * o.position_side != positions)
    return input_error("The table of positions must be square.", where + ": num_patches");
  LUTHIER_TRY(o.pooling_head, json_bool(config, "vision_use_head", where, true));
  return o;
}

Siglip2Tower::Siglip2Tower(const Siglip2Options& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, 0, "",
                 "this tower's frames have as many patches as their pictures, and no others"}),
      options_(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  const auto encoder = register_module("encoder", std::make_shared<Encoder>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layers", list);
  post_layernorm_ =
      register_module("post_layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  if (o.pooling_head) head_ = register_module("head", std::make_shared<PoolingHead>(o, t));
}

void Siglip2Tower::prepare(ModelInput& input, const std::vector<PatchGrid>& frames) const {
  input.aside[kNaflexShares] = position_shares(frames, options_.position_side);
  rows_of(frames).set_aside(input.aside, kNaflexRows);
}

Tensor Siglip2Tower::forward(const ModelInput& input, const std::vector<PatchGrid>& frames) {
  RowLayout rows = rows_of(frames);
  rows.take_back(input.aside, kNaflexRows);
  const Tensor& pixels = input.pixel_values;
  TORCH_CHECK(pixels.dim() == 2 && pixels.size(0) == rows.tokens() &&
                  pixels.size(1) == options_.patch_values(),
              "the pictures' patches do not fit the tower");
  const auto made = input.aside.find(kNaflexShares);
  const Tensor shares = made != input.aside.end()
                            ? made->second
                            : position_shares(frames, options_.position_side).to(pixels.device());
  Tensor x = embeddings_->forward(pixels, shares);
  for (const std::shared_ptr<Layer>& layer : layers_) x = layer->forward(x, rows);
  return post_layernorm_(x);
}

TowerCost Siglip2Tower::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t patches = pass.pictures.patches;
  TowerCost cost;
  embeddings_->add_cost(cost, terms, patches);
  for (const std::shared_ptr<Layer>& layer : layers_)
    cost.add_layer(terms, layer->cost(terms, patches, cost.flows));
  const TrainedShare last = terms.of(*post_layernorm_);
  if (cost.flows || last.trains)
    cost.add_part(terms, last, norm_kept(terms, post_layernorm_, patches));
  if (head_) cost.unreached += trained_within(terms, *head_).parameters;
  return cost;
}

}  // namespace luthier
