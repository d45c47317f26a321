// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/ovis2/aimv2_tower.h"

#include "engine/models/feed_forward.h"
#include "engine/models/tower_attention.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class Aimv2Encoder : public torch::nn::Module {};

}  // namespace

class Aimv2Tower::Embeddings : public torch::nn::Module {
 public:
  Embeddings(const Aimv2Options& o, const torch::TensorOptions& t) {
    patch_embedding_ =
        register_module("patch_embedding", std::make_shared<PatchConvolution>(o, /*bias=*/true, t));
    position_embedding_ =
        register_module("position_embedding", Embedding(o.patches(), o.hidden_size, t));
    rms_norm_ = register_module("rms_norm", RmsNorm(o.hidden_size, o.layer_norm_eps, t));
  }
  Tensor forward(const Tensor& pixels) {
    return rms_norm_(patch_embedding_->forward(pixels)) + position_embedding_->weight.unsqueeze(0);
  }
  void add_cost(TowerCost& cost, const Pass& pass, std::int64_t patches) const {
    const StepTerms& terms = pass.terms;
    const ProductsCost product = patches_cost(terms, *patch_embedding_, pass.pictures.numbers);
    // Positions are added behind the norm, and keep nothing.
    const bool normed = product.trains || terms.of(*rms_norm_).trains;
    cost.add_part(
        terms, trained_within(terms, *this),
        product.input + product.numbers + (normed ? norm_kept(terms, rms_norm_, patches) : 0),
        product.work);
  }
  /// Of each frame, that a plug puts there (methods/visual_prompts).
  std::int64_t tokens_before(const StepTerms& terms) const {
    return terms.of(*position_embedding_).row_numbers / position_embedding_->weight.size(1);
  }

 private:
  std::shared_ptr<PatchConvolution> patch_embedding_;
  Embedding position_embedding_{nullptr};
  RmsNorm rms_norm_{nullptr};
};

class Aimv2Tower::Layer : public torch::nn::Module {
 public:
  Layer(const Aimv2Options& o, const torch::TensorOptions& t) {
    attention_ = register_module("attention", std::make_shared<TowerAttention>(o, o.qkv_bias, t));
    ffn_ = register_module(
        "ffn", GatedMlp(o.hidden_size, o.intermediate_size, o.mlp_bias, o.hidden_act, t));
    rms_norm1_ = register_module("rms_norm1", RmsNorm(o.hidden_size, o.layer_norm_eps, t));
    rms_norm2_ = register_module("rms_norm2", RmsNorm(o.hidden_size, o.layer_norm_eps, t));
  }
  Tensor forward(const Tensor& x) {
    const Tensor attended = x + attention_->joined(attention_->forward(rms_norm1_(x)), x);
    return attended + ffn_->joined(ffn_(rms_norm2_(attended)), attended);
  }
  LayerCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(rows * rms_norm1_->weight.size(0));
    parts.norm_before = norm_kept(terms, rms_norm1_, rows);
    parts.norm_after = norm_kept(terms, rms_norm2_, rows);
    parts.attention = attention_->cost(terms, rows, flows);
    parts.mlp = ffn_->cost(terms, rows, parts.attention.passes);
    return tower_layer_cost(parts);
  }

 private:
  std::shared_ptr<TowerAttention> attention_;
  GatedMlp ffn_{nullptr};
  RmsNorm rms_norm1_{nullptr}, rms_norm2_{nullptr};
};

Result<Aimv2Options> read_aimv2_options(const Json& config, const std::string& where) {
  Aimv2Options o;
  o.hidden_size = 1024, o.intermediate_size = 2816, o.num_hidden_layers = 24;
  o.num_attention_heads = 8, o.patch_size = 14;
  o.hidden_act = Activation::Silu;
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  if (o.image_height != o.image_width)
    return input_error("The tower's picture must be square.", where + ": image_size");
  LUTHIER_TRY(o.layer_norm_eps, json_number(config, "rms_norm_eps", where, 1e-5));
  LUTHIER_TRY(o.qkv_bias, json_bool(config, "qkv_bias", where, false));
  LUTHIER_TRY(o.mlp_bias, json_bool(config, "mlp_bias", where, false));
  return o;
}

Aimv2Tower::Aimv2Tower(const Aimv2Options& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, o.num_channels * o.patch_size * o.patch_size,
                 "embeddings.position_embedding"}),
      options_(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  const auto encoder = register_module("encoder", std::make_shared<Aimv2Encoder>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layers", list);
  rms_norm_ = register_module("rms_norm", RmsNorm(o.hidden_size, o.layer_norm_eps, t));
}

Tensor Aimv2Tower::forward(const Tensor& pixel_values) {
  TORCH_CHECK(pixel_values.dim() == 4 && pixel_values.size(2) == options_.image_height &&
                  pixel_values.size(3) == options_.image_width,
              "the picture's size does not fit the tower");
  Tensor x = embeddings_->forward(pixel_values);
  for (std::size_t i = 0; i < layers_.size(); ++i)
    x = layers_[i]->forward(with_tokens(x, static_cast<std::int64_t>(i)));
  return rms_norm_(without_tokens(x));
}

TowerCost Aimv2Tower::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t frames = pass.pictures.frames, patches = frames * options_.patches();
  TowerCost cost;
  embeddings_->add_cost(cost, pass, patches);
  const std::int64_t rows = patches + frames * embeddings_->tokens_before(terms);
  for (const std::shared_ptr<Layer>& layer : layers_)
    cost.add_layer(terms, layer->cost(terms, rows, cost.flows));
  const TrainedShare last = terms.of(*rms_norm_);
  if (cost.flows || last.trains) cost.add_part(terms, last, norm_kept(terms, rms_norm_, patches));
  return cost;
}

}  // namespace luthier
