// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/vision_tower.h"

#include <algorithm>

#include "engine/models/pictures/pooling_head.h"
#include "engine/models/tower_attention.h"
#include "engine/nn/bicubic.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class VisionEncoder : public torch::nn::Module {};

}  // namespace

class VisionTowerImpl::Embeddings : public ParameterModule {
 public:
  Embeddings(const VisionTowerOptions& o, const torch::TensorOptions& t)
      : patch_size_(o.patch_size), side_(o.patch_columns()) {
    by_fraction_ = o.positions_by_fraction;
    stretches_ = o.stretches;
    if (o.class_embedding) add_parameter("class_embedding", class_embedding_, {o.hidden_size}, t);
    patch_embedding_ =
        register_module("patch_embedding", std::make_shared<PatchConvolution>(o, o.patch_bias, t));
    position_embedding_ =
        register_module("position_embedding", Embedding(o.tokens(), o.hidden_size, t));
  }
  Tensor forward(const Tensor& pixels) const {
    Tensor x = patch_embedding_->forward(pixels);  // [images, patches, hidden]
    if (class_embedding_.defined())
      x = at::cat({class_embedding_.expand({x.size(0), 1, -1}), x}, 1);
    if (stretches_) return x + stretched(pixels);
    if (!by_fraction_) return x + position_embedding_->weight.unsqueeze(0);
    return x + position_embedding_->forward(places(pixels)).unsqueeze(0);
  }
  /// The patches' product alone keeps something.
  ProductsCost patches(const StepTerms& terms, std::int64_t pixels) const {
    return patches_cost(terms, *patch_embedding_, pixels);
  }
  /// Of each frame, that a plug puts there (methods/visual_prompts).
  std::int64_t tokens_before(const StepTerms& terms) const {
    return terms.of(*position_embedding_).row_numbers / position_embedding_->weight.size(1);
  }
  std::string type_name() const override { return "Parameter"; }

 private:
  /// On a device they are kept for frames of the next size alike, since each copy there is waited
  /// for; on the CPU several threads may run the tower at once, and making them costs nothing.
  Tensor places(const Tensor& pixels) const {
    const std::int64_t rows = pixels.size(2) / patch_size_, columns = pixels.size(3) / patch_size_;
    const auto make = [&] {
      return positions_by_fraction(rows, columns, side_, patch_embedding_->dtype())
          .to(pixels.device());
    };
    if (pixels.is_cpu()) return make();
    Tensor& kept = places_[{rows, columns}];
    if (!kept.defined()) {
      // An answer asks under inference mode; what it leaves here must do for training, too.
      const c10::InferenceMode normal(false);
      kept = make();
    }
    return kept;
  }

  /// Cubic, as CLIPSegVisionEmbeddings has it: the class token's row, then the patches'.
  /// [1, tokens, hidden]
  Tensor stretched(const Tensor& pixels) const {
    const std::int64_t rows = pixels.size(2) / patch_size_, columns = pixels.size(3) / patch_size_;
    const Tensor table = position_embedding_->weight.unsqueeze(0);
    if (rows * columns == side_ * side_ && pixels.size(2) == pixels.size(3)) return table;
    const Tensor grid = table.slice(1, 1).reshape({1, side_, side_, -1}).permute({0, 3, 1, 2});
    return at::cat({table.slice(1, 0, 1), stretch_bicubic(grid, rows, columns)
                                              .permute({0, 2, 3, 1})
                                              .reshape({1, rows * columns, -1})},
                   1);
  }

  std::int64_t patch_size_, side_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, Tensor> places_;
  bool by_fraction_ = false, stretches_ = false;
  Tensor class_embedding_;
  std::shared_ptr<PatchConvolution> patch_embedding_;
  Embedding position_embedding_{nullptr};
};

class VisionTowerImpl::Layer : public torch::nn::Module {
 public:
  Layer(const VisionTowerOptions& o, const torch::TensorOptions& t) {
    self_attn_ =
        register_module("self_attn", std::make_shared<TowerAttention>(o, /*bias=*/true, t));
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
  std::shared_ptr<TowerAttention> self_attn_;
  std::shared_ptr<VisionMlp> mlp_;
  LayerNorm layer_norm1_{nullptr}, layer_norm2_{nullptr};
};

Result<VisionTowerOptions> read_vision_tower_options(const Json& config, const std::string& where) {
  VisionTowerOptions o;
  LUTHIER_TRY(std::string type, json_string(config, "model_type", where, "clip_vision_model"));
  const bool siglip = type == "siglip_vision_model";
  if (!siglip && type != "clip_vision_model") {
    return input_error("The vision tower \"" + type + "\" is not known.", where + ": model_type",
                       "Known are clip_vision_model and siglip_vision_model.");
  }
  o.class_embedding = o.pre_norm = !siglip;
  o.patch_bias = siglip;
  LUTHIER_TRY(o.pooling_head, json_bool(config, "vision_use_head", where, siglip));
  if (!siglip) o.pooling_head = false;
  if (siglip) {
    o.patch_size = 16;
    o.layer_norm_eps = 1e-6;
    o.hidden_act = Activation::GeluTanh;
  }
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  return o;
}

Result<VisionTowerOptions> read_idefics3_tower_options(const Json& config,
                                                       const std::string& where) {
  VisionTowerOptions o;
  o.class_embedding = o.pre_norm = false;
  o.patch_bias = o.positions_by_fraction = true;
  o.hidden_size = 1152;
  o.num_attention_heads = 16;
  o.layer_norm_eps = 1e-6;
  o.hidden_act = Activation::GeluTanh;
  LUTHIER_CHECK(read_vision_sizes(config, where, o));
  if (o.image_height != o.image_width)
    return input_error("The table of positions must be square.", where + ": image_size");
  return o;
}

VisionTowerImpl::VisionTowerImpl(const VisionTowerOptions& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, o.num_channels * o.patch_size * o.patch_size,
                 "embeddings.position_embedding"}),
      options(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  if (o.pre_norm)
    pre_norm_ = register_module("pre_layrnorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  auto encoder = register_module("encoder", std::make_shared<VisionEncoder>());
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<Layer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layers", list);
  post_norm_ = register_module("post_layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  if (o.pooling_head) head_ = register_module("head", std::make_shared<PoolingHead>(o, t));
}

std::vector<Tensor> VisionTowerImpl::forward(const Tensor& pixel_values,
                                             const std::vector<std::int64_t>& which) {
  TORCH_CHECK(pixel_values.dim() == 4 && (options.positions_by_fraction || options.stretches ||
                                          (pixel_values.size(2) == options.image_height &&
                                           pixel_values.size(3) == options.image_width)),
              "the picture's size does not fit the tower");
  const std::int64_t states = options.num_hidden_layers + 1;
  std::vector<std::int64_t> indices;
  for (const std::int64_t index : which) indices.push_back(index < 0 ? index + states : index);
  const std::int64_t last = *std::max_element(indices.begin(), indices.end());

  std::vector<Tensor> chosen(indices.size());
  Tensor x = embeddings_->forward(pixel_values);
  if (options.pre_norm) x = pre_norm_(x);
  for (std::int64_t state = 0;; ++state) {
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] == state) chosen[i] = state == 0 ? x : without_tokens(x);
    }
    if (state == last) return chosen;
    x = layers_.at(static_cast<std::size_t>(state))->forward(with_tokens(x, state));
  }
}

Tensor VisionTowerImpl::last_hidden_state(const Tensor& pixel_values) {
  return post_norm_(forward(pixel_values, {-1}).front());
}

TowerCost VisionTowerImpl::cost(const Pass& pass, std::int64_t patches, std::int64_t layers,
                                bool normed) const {
  return cost_of(pass, patches, layers, normed ? std::optional(patches) : std::nullopt);
}

TowerCost VisionTowerImpl::pooled_cost(const Pass& pass) const {
  const std::int64_t pictures = pass.pictures.frames, patches = pictures * options.tokens();
  if (options.class_embedding) return cost_of(pass, patches, options.num_hidden_layers, pictures);
  TowerCost cost = cost_of(pass, patches, options.num_hidden_layers, patches);
  const auto head = std::dynamic_pointer_cast<PoolingHead>(head_);
  TORCH_CHECK(head, "the tower pools nothing");
  cost.unreached -= trained_within(pass.terms, *head).parameters;
  head->add_cost(pass.terms, pictures, options.tokens(), cost);
  return cost;
}

TowerCost VisionTowerImpl::cost_of(const Pass& pass, std::int64_t patches, std::int64_t layers,
                                   std::optional<std::int64_t> normed) const {
  const StepTerms& terms = pass.terms;
  TowerCost cost;
  TrainedShare start = trained_within(terms, *embeddings_);
  if (pre_norm_) start += terms.of(*pre_norm_);
  const ProductsCost product = embeddings_->patches(terms, pass.pictures.numbers);
  cost.add_part(terms, start, product.input + product.numbers, product.work);
  const auto running = static_cast<std::size_t>(layers);
  patches += pass.pictures.frames * embeddings_->tokens_before(terms);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (i < running)
      cost.add_layer(terms, layers_[i]->cost(terms, patches, cost.flows));
    else
      cost.unreached += trained_within(terms, *layers_[i]).parameters;
  }
  const TrainedShare last = terms.of(*post_norm_);
  if (normed && (cost.flows || last.trains))
    cost.add_part(terms, last, norm_kept(terms, post_norm_, *normed));
  else if (!normed)
    cost.unreached += last.parameters;
  if (head_) cost.unreached += trained_within(terms, *head_).parameters;
  return cost;
}

Tensor VisionTowerImpl::pooled(const Tensor& pixel_values) {
  if (const auto head = std::dynamic_pointer_cast<PoolingHead>(head_))
    return head->forward(last_hidden_state(pixel_values));
  TORCH_CHECK(options.class_embedding, "the tower has no class token");
  return pooled_of(forward(pixel_values, {-1}).front());
}

Tensor VisionTowerImpl::pooled_of(const Tensor& states) {
  // A copy, so that the norm does not hold on to the states of all patches.
  return post_norm_(states.select(1, 0).clone());
}

Tensor selected_features(VisionTower& tower, const Tensor& pixel_values,
                         const std::vector<std::int64_t>& which, bool drop_first) {
  std::vector<Tensor> states = tower->forward(pixel_values, which);
  for (Tensor& state : states) {
    if (drop_first) state = state.slice(1, 1);
  }
  return states.size() == 1 ? states[0] : at::cat(states, -1);
}

}  // namespace luthier
