// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deepseek_ocr2/sam_tower.h"

#include <map>

#include "engine/models/deepseek_ocr2/sam_convolution.h"
#include "engine/models/deepseek_ocr2/stretched_tables.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

class SamTower::Patches : public torch::nn::Module {
 public:
  Patches(const SamOptions& o, const torch::TensorOptions& t) {
    projection =
        register_module("projection", std::make_shared<PatchConvolution>(o, /*bias=*/true, t));
  }
  std::shared_ptr<PatchConvolution> projection;
};

class SamTower::Neck : public torch::nn::Module {
 public:
  Neck(const SamOptions& o, const torch::TensorOptions& t) {
    constexpr double kEpsilon = 1e-6;  // whatever layer_norm_eps says
    conv1_ =
        register_module("conv1", std::make_shared<SamConvolution>(o.hidden_size, o.neck, 1, 1, t));
    layer_norm1_ = register_module("layer_norm1", LayerNorm(o.neck, kEpsilon, t));
    conv2_ = register_module("conv2", std::make_shared<SamConvolution>(o.neck, o.neck, 3, 1, t));
    layer_norm2_ = register_module("layer_norm2", LayerNorm(o.neck, kEpsilon, t));
  }
  /// x [frames, side, side, hidden] → [frames, side, side, neck].
  Tensor forward(const Tensor& x) const {
    return layer_norm2_->forward(conv2_->forward(layer_norm1_->forward(conv1_->forward(x))));
  }
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t patches) const {
    conv1_->add_cost(cost, terms, patches);
    add_norm(cost, terms, layer_norm1_, patches);
    conv2_->add_cost(cost, terms, patches);
    add_norm(cost, terms, layer_norm2_, patches);
  }

 private:
  static void add_norm(TowerCost& cost, const StepTerms& terms, const LayerNorm& norm,
                       std::int64_t patches) {
    const TrainedShare share = terms.of(*norm);
    if (!cost.flows && !share.trains) return;
    cost.add_part(terms, share, norm_kept(terms, norm, patches), norm_work(terms, norm, patches));
  }

  std::shared_ptr<SamConvolution> conv1_, conv2_;
  LayerNorm layer_norm1_{nullptr}, layer_norm2_{nullptr};
};

class SamTower::Halves : public torch::nn::Module {
 public:
  Halves(const SamOptions& o, const torch::TensorOptions& t) {
    conv1_ = register_module("conv1", std::make_shared<SamConvolution>(o.neck, o.between, 3, 2, t));
    conv2_ = register_module("conv2", std::make_shared<SamConvolution>(o.between, o.out, 3, 2, t));
  }
  Tensor forward(const Tensor& x) const { return conv2_->forward(conv1_->forward(x)); }
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t frames,
                std::int64_t side) const {
    const std::int64_t half = halved_side(side), quarter = halved_side(half);
    conv1_->add_cost(cost, terms, frames * half * half);
    conv2_->add_cost(cost, terms, frames * quarter * quarter);
  }

 private:
  std::shared_ptr<SamConvolution> conv1_, conv2_;
};

SamTower::SamTower(const SamOptions& o, const torch::TensorOptions& t) : options_(o) {
  if (o.absolute) add_parameter("pos_embed", pos_embed_, {1, o.side(), o.side(), o.hidden_size}, t);
  patch_embed_ = register_module("patch_embed", std::make_shared<Patches>(o, t));
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<SamLayer>(o, i, t));
    list->push_back(layers_.back());
  }
  register_module("layers", list);
  neck_ = register_module("neck", std::make_shared<Neck>(o, t));
  if (o.halves) proj_ = register_module("proj", std::make_shared<Halves>(o, t));
}

Tensor SamTower::behind_neck(const Tensor& pixels) const {
  const std::int64_t frames = pixels.size(0), side = options_.side_of(pixels.size(2));
  Tensor x =
      patch_embed_->projection->forward(pixels).view({frames, side, side, options_.hidden_size});
  if (pos_embed_.defined()) x = x + stretched_positions(pos_embed_, side);
  std::map<std::int64_t, SamSquares> squares;  // by their side
  for (const auto& layer : layers_) {
    const std::int64_t own = layer->square_side(side);
    if (!squares.contains(own)) squares[own] = layer->squares(side, frames, x);
    x = layer->forward(x, squares.at(own));
  }
  return neck_->forward(x);
}

Tensor SamTower::forward(const Tensor& pixels) const {
  return proj_->forward(behind_neck(pixels)).flatten(1, 2);
}

Tensor SamTower::maps(const Tensor& pixels) {
  TORCH_CHECK(pixels.size(2) == options_.image_height && pixels.size(3) == options_.image_width,
              "the picture's size does not fit the tower");
  return behind_neck(pixels).permute({0, 3, 1, 2});
}

Tensor SamTower::vectors(const Tensor& pixels) { return maps(pixels).mean({2, 3}); }

PictureStates SamTower::states_of(const Tensor& pixels) { return {maps(pixels), Tensor()}; }

TowerCost SamTower::cost(const Pass& pass) const {
  TowerCost cost;
  const std::int64_t frames = pass.pictures.frames;
  add_cost(pass.terms, frames, options_.image_height, cost);
  const std::int64_t side = options_.side();
  // The mean's gradient, place by place.
  if (cost.flows)
    cost.add_part(pass.terms, {}, 0, pass.terms.block(frames * side * side * width()));
  return cost;
}

ModelGeometry SamTower::geometry() const {
  ModelGeometry g;
  g.vocab_size = 1, g.hidden_size = g.vision_hidden_size = options_.hidden_size;
  g.num_hidden_layers = g.vision_layers = options_.num_hidden_layers;
  g.num_attention_heads = g.num_key_value_heads = g.vision_heads = options_.num_attention_heads;
  g.head_dim = options_.hidden_size / options_.num_attention_heads;
  g.vision_tokens = options_.patches();
  g.image_height = options_.image_height, g.image_width = options_.image_width;
  return g;
}

void SamTower::add_cost(const StepTerms& terms, std::int64_t frames, std::int64_t edge,
                        TowerCost& cost) const {
  const std::int64_t side = options_.side_of(edge), patches = frames * side * side,
                     patch = options_.patch_size;
  const ProductsCost product = patches_cost(terms, *patch_embed_->projection,
                                            patches * options_.num_channels * patch * patch);
  TrainedShare before = trained_within(terms, *patch_embed_);
  before += terms.of(*this);
  cost.add_part(terms, before, product.input + product.numbers, product.work);
  for (const auto& layer : layers_)
    cost.add_layer(terms, layer->cost(terms, frames, side, cost.flows));
  neck_->add_cost(cost, terms, patches);
  if (proj_) proj_->add_cost(cost, terms, frames, side);
}

}  // namespace luthier
