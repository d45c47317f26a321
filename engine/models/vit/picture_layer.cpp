// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/vit/picture_layer.h"

#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

class LayerPart : public torch::nn::Module {};

}  // namespace

/// q, k, v and a product back, under the names of either.
class PictureLayer::Attention : public torch::nn::Module, public BranchPort {
 public:
  Attention(const PictureLayerOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.hidden_size), heads_(o.num_attention_heads) {
    const std::int64_t width = o.hidden_size;
    const auto made = neighbouring_linears(width, {width, width, width}, o.qkv_bias, t);
    const Linear out(width, width, true, t);
    if (o.dinov2) {
      const auto inner = register_module("attention", std::make_shared<LayerPart>());
      query_ = inner->register_module("query", made[0]);
      key_ = inner->register_module("key", made[1]);
      value_ = inner->register_module("value", made[2]);
      out_ =
          register_module("output", std::make_shared<LayerPart>())->register_module("dense", out);
      return;
    }
    query_ = register_module("q_proj", made[0]);
    key_ = register_module("k_proj", made[1]);
    value_ = register_module("v_proj", made[2]);
    out_ = register_module("o_proj", out);
  }
  Tensor forward(const Tensor& x) {
    const auto made = side_by_side(x, {query_.get(), key_.get(), value_.get()});
    return out_(attend_frames(made[0], made[1], made[2], heads_));
  }
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    const AttentionCost core = attention_cost(terms, unmoved_rows(terms, rows), heads_, heads_,
                                              query_->out_features() / heads_);
    AttentionBranchCost cost =
        attention_branch_cost(terms, {query_, key_, value_}, out_, core, 0, rows, flows);
    add_plug(cost, terms, *this, rows);
    return cost;
  }

 private:
  std::int64_t heads_;
  Linear query_{nullptr}, key_{nullptr}, value_{nullptr}, out_{nullptr};
};

/// One product in, whose halves gate one another, and one back.
class PictureLayer::GatedMlp : public torch::nn::Module, public BranchPort {
 public:
  GatedMlp(const PictureLayerOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::FeedForward, o.hidden_size) {
    in_ = register_module("weights_in", Linear(o.hidden_size, 2 * o.gated_size(), true, t));
    out_ = register_module("weights_out", Linear(o.gated_size(), o.hidden_size, true, t));
  }
  Tensor forward(const Tensor& x) {
    const auto made = in_(x).chunk(2, -1);
    return out_(gated(made[0], made[1], Activation::Silu));
  }
  MlpCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    MlpCost cost = mlp_cost(terms, {in_}, out_, rows, flows);
    add_plug(cost, terms, *this, rows);
    return cost;
  }

 private:
  Linear in_{nullptr}, out_{nullptr};
};

/// A number for each of a state's, that it is multiplied with.
class PictureLayer::Scale : public ParameterModule {
 public:
  Scale(const PictureLayerOptions& o, const torch::TensorOptions& t) : first_(o.layerscale_value) {
    add_parameter("lambda1", lambda1, {o.hidden_size}, t);
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string&, const at::Generator&) const override {
    return torch::full(lambda1.sizes(), first_, torch::kFloat32);
  }
  Tensor lambda1;

 private:
  double first_;
};

PictureLayer::PictureLayer(const PictureLayerOptions& o, const torch::TensorOptions& t) {
  const auto norm = [&](const char* name) {
    return register_module(name, LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  };
  attention_ = register_module("attention", std::make_shared<Attention>(o, t));
  before_ = norm(o.dinov2 ? "norm1" : "layernorm_before");
  after_ = norm(o.dinov2 ? "norm2" : "layernorm_after");
  if (o.gated_mlp)
    gated_ = register_module("mlp", std::make_shared<GatedMlp>(o, t));
  else
    mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
  if (!o.dinov2) return;
  scale1_ = register_module("layer_scale1", std::make_shared<Scale>(o, t));
  scale2_ = register_module("layer_scale2", std::make_shared<Scale>(o, t));
}

PictureLayer::~PictureLayer() = default;

Tensor PictureLayer::forward(const Tensor& x) {
  const auto scaled = [](const Tensor& y, const std::shared_ptr<Scale>& scale) {
    return scale ? y * scale->lambda1 : y;
  };
  const Tensor attended =
      x + attention_->joined(scaled(attention_->forward(before_(x)), scale1_), x);
  const Tensor normed = after_(attended);
  if (gated_) return attended + gated_->joined(scaled(gated_->forward(normed), scale2_), attended);
  return attended + mlp_->joined(scaled(mlp_->forward(normed), scale2_), attended);
}

LayerCost PictureLayer::cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
  TowerLayerParts parts;
  parts.share = trained_within(terms, *this);
  parts.flows = flows;
  parts.state = terms.block(rows * before_->weight.size(0));
  parts.norm_before = norm_kept(terms, before_, rows);
  parts.norm_after = norm_kept(terms, after_, rows);
  parts.attention = attention_->cost(terms, rows, flows);
  parts.mlp = gated_ ? gated_->cost(terms, rows, parts.attention.passes)
                     : mlp_->cost(terms, rows, parts.attention.passes);
  for (const auto& scale : {scale1_, scale2_})
    if (scale && terms.of(*scale).trains) parts.scales += parts.state;
  return tower_layer_cost(parts);
}

}  // namespace luthier
