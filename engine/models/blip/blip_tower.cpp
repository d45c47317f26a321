// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip/blip_tower.h"

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class BlipAttention : public torch::nn::Module, public BranchPort {
 public:
  BlipAttention(const BlipTowerOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.hidden_size), heads_(o.num_attention_heads) {
    const std::int64_t width = o.hidden_size;
    qkv_ = register_module("qkv", Linear(width, 3 * width, o.qkv_bias, t));
    projection_ = register_module("projection", Linear(width, width, true, t));
  }
  Tensor forward(const Tensor& x) {
    const auto made = qkv_(x).chunk(3, -1);
    return projection_(
        attend_frames(made[0].contiguous(), made[1].contiguous(), made[2].contiguous(), heads_));
  }
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    const AttentionCost core = attention_cost(terms, unmoved_rows(terms, rows), heads_, heads_,
                                              projection_->in_features() / heads_);
    AttentionBranchCost cost =
        attention_branch_cost(terms, {qkv_}, projection_, core, 0, rows, flows);
    add_plug(cost, terms, *this, rows);
    return cost;
  }

 private:
  std::int64_t heads_;
  Linear qkv_{nullptr}, projection_{nullptr};
};

class BlipEncoder : public torch::nn::Module {};

}  // namespace

class BlipTowerImpl::Embeddings : public ParameterModule {
 public:
  Embeddings(const BlipTowerOptions& o, const torch::TensorOptions& t) {
    add_parameter("class_embedding", class_embedding_, {1, 1, o.hidden_size}, t);
    patch_embedding_ =
        register_module("patch_embedding", std::make_shared<PatchConvolution>(o, /*bias=*/true, t));
    add_parameter("position_embedding", position_embedding_, {1, o.tokens(), o.hidden_size}, t);
  }
  Tensor forward(const Tensor& pixels) const {
    const Tensor patches = patch_embedding_->forward(pixels);
    return at::cat({class_embedding_.expand({patches.size(0), 1, -1}), patches}, 1) +
           position_embedding_;
  }
  /// The patches' product alone keeps something.
  ProductsCost patches(const StepTerms& terms, std::int64_t pixels) const {
    return patches_cost(terms, *patch_embedding_, pixels);
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  Tensor class_embedding_, position_embedding_;
  std::shared_ptr<PatchConvolution> patch_embedding_;
};

class BlipTowerImpl::Layer : public torch::nn::Module {
 public:
  Layer(const BlipTowerOptions& o, const torch::TensorOptions& t) {
    self_attn_ = register_module("self_attn", std::make_shared<BlipAttention>(o, t));
    layer_norm1_ = register_module("layer_norm1", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
    mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
    layer_norm2_ = register_module("layer_norm2", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  }
  Tensor forward(const Tensor& x) {
    const Tensor attended = x + self_attn_->joined(self_attn_->forward(layer_norm1_(x)), x);
    return attended + mlp_->joined(mlp_->forward(layer_norm2_(attended)), attended);
  }
  LayerCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(rows * layer_norm1_->weight.size(0));
    parts.norm_before = norm_kept(terms, layer_norm1_, rows);
    parts.norm_after = norm_kept(terms, layer_norm2_, rows);
    parts.attention = self_attn_->cost(terms, rows, flows);
    parts.mlp = mlp_->cost(terms, rows, parts.attention.passes);
    return tower_layer_cost(parts);
  }

 private:
  std::shared_ptr<BlipAttention> self_attn_;
  std::shared_ptr<VisionMlp> mlp_;
  LayerNorm layer_norm1_{nullptr}, layer_norm2_{nullptr};
};

Result<BlipTowerOptions> read_blip_tower_options(const Json& config, const std::string& where,
                                                 bool second) {
  BlipTowerOptions o;
  const char* type = second ? "blip_2_vision_model" : "blip_vision_model";
  LUTHIER_TRY(const std::string named, json_string(config, "model_type", where, type));
  if (named != type && !(second && named == "instructblip_vision_model"))
    return input_error("The vision tower \"" + named + "\" is not this family's.",
                       where + ": model_type", std::string("It is ") + type + ".");
  o.hidden_act = Activation::Gelu;
  if (second) {
    o.hidden_size = 1408, o.intermediate_size = 6144;
    o.num_hidden_layers = 39, o.num_attention_heads = 16;
    o.image_height = o.image_width = 224;
    o.patch_size = 14;
    o.layer_norm_eps = 1e-6;
  } else {
    o.image_height = o.image_width = 384;
    o.patch_size = 16;
    o.layer_norm_eps = 1e-5, o.initializer_range = 1e-10;
  }
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  if (o.image_height != o.image_width)
    return input_error("The tower's picture must be square.", where + ": image_size");
  if (second) {
    LUTHIER_TRY(o.qkv_bias, json_bool(config, "qkv_bias", where, true));
  }
  return o;
}

BlipTowerImpl::BlipTowerImpl(const BlipTowerOptions& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, o.num_channels * o.patch_size * o.patch_size,
                 "embeddings"}),
      options(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  auto encoder = register_module("encoder", std::make_shared<BlipEncoder>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layers", list);
  post_layernorm_ =
      register_module("post_layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
}

Tensor BlipTowerImpl::forward(const Tensor& pixel_values) {
  TORCH_CHECK(pixel_values.dim() == 4 && pixel_values.size(2) == options.image_height &&
                  pixel_values.size(3) == options.image_width,
              "the picture's size does not fit the tower");
  Tensor x = embeddings_->forward(pixel_values);
  for (std::size_t i = 0; i < layers_.size(); ++i)
    x = layers_[i]->forward(with_tokens(x, static_cast<std::int64_t>(i)));
  return post_layernorm_(without_tokens(x));
}

TowerCost BlipTowerImpl::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  TowerCost cost;
  const std::int64_t frames = pass.pictures.frames;
  const ProductsCost product = embeddings_->patches(terms, pass.pictures.numbers);
  cost.add_part(terms, trained_within(terms, *embeddings_), product.input + product.numbers,
                product.work);
  // Tokens that a plug puts before each frame's (methods/visual_prompts).
  const std::int64_t own = frames * options.tokens(),
                     rows =
                         own + frames * (terms.of(*embeddings_).row_numbers / options.hidden_size);
  for (const auto& layer : layers_) cost.add_layer(terms, layer->cost(terms, rows, cost.flows));
  const TrainedShare last = terms.of(*post_layernorm_);
  if (cost.flows || last.trains) cost.add_part(terms, last, norm_kept(terms, post_layernorm_, own));
  return cost;
}

}  // namespace luthier
