// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/minicpmv/minicpmv_tower.h"

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

// What prepare() sets aside.
constexpr const char *kUnitOrder = "unit_order", *kUnitOrderBack = "unit_order_back",
                     *kUnitPositions = "unit_positions", *kUnits = "units",
                     *kMergedUnits = "merged_units", *kUnitWindows = "unit_windows";
constexpr std::int64_t kWindow = 4;  // patches that become one

/// `share`: of how many patches one row of a unit is made.
RowLayout unit_rows(const std::vector<PatchGrid>& units, std::int64_t share) {
  std::vector<std::int64_t> lengths;
  for (const PatchGrid& unit : units) lengths.push_back(unit.rows * unit.columns / share);
  return RowLayout(std::move(lengths));
}

RowLayout window_rows(const std::vector<PatchGrid>& units) {
  std::int64_t patches = 0;
  for (const PatchGrid& unit : units) patches += unit.rows * unit.columns;
  return RowLayout(std::vector<std::int64_t>(static_cast<std::size_t>(patches / kWindow), kWindow));
}

}  // namespace

/// A convolution whose windows are cut already.
class MiniCpmTower::PatchEmbedding : public PatchProduct {
 public:
  PatchEmbedding(const MiniCpmVisionOptions& o, const torch::TensorOptions& t) {
    add_parameter("weight", weight_, {o.hidden_size, o.num_channels, o.patch_size, o.patch_size},
                  t);
    add_parameter("bias", bias_, {o.hidden_size}, t);
  }
  Tensor forward(const Tensor& patches) const { return product(patches.to(dtype())); }
  std::string type_name() const override { return "Conv2d"; }
};

class MiniCpmTower::Embeddings : public torch::nn::Module {
 public:
  Embeddings(const MiniCpmVisionOptions& o, const torch::TensorOptions& t) {
    patch_embedding_ = register_module("patch_embedding", std::make_shared<PatchEmbedding>(o, t));
    position_embedding_ = register_module(
        "position_embedding", Embedding(o.position_side() * o.position_side(), o.hidden_size, t));
  }
  /// `order` and `back` as reorder() takes them; `positions` are in that order.
  Tensor forward(const Tensor& patches, const Tensor& order, const Tensor& back,
                 const Tensor& positions) {
    return reorder(patch_embedding_->forward(patches), order, back) +
           position_embedding_(positions);
  }
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t numbers) const {
    const ProductsCost product = patches_cost(terms, *patch_embedding_, numbers);
    cost.add_part(terms, trained_within(terms, *this), product.input + product.numbers,
                  product.work);
  }

 private:
  std::shared_ptr<PatchEmbedding> patch_embedding_;
  Embedding position_embedding_{nullptr};
};

/// Attention within each window, then of its four patches one: two products beside their mean.
class MiniCpmTower::WindowMerger : public torch::nn::Module {
 public:
  WindowMerger(const MiniCpmVisionOptions& o, const torch::TensorOptions& t)
      : width_(o.hidden_size) {
    const std::int64_t folded = kWindow * width_;
    self_attn_ = register_module("self_attn", std::make_shared<FrameAttention>(o, t));
    layer_norm1_ = register_module("layer_norm1", LayerNorm(width_, o.layer_norm_eps, t));
    pre_norm_ = register_module("pre_norm", LayerNorm(folded, o.layer_norm_eps, t));
    linear_1_ = register_module("linear_1", Linear(folded, kWindow * o.intermediate_size, true, t));
    linear_2_ = register_module("linear_2", Linear(kWindow * o.intermediate_size, width_, true, t));
  }
  /// [patches, hidden], window after window → [windows, hidden].
  Tensor forward(const Tensor& x, const RowLayout& windows) {
    const Tensor attended =
        x + self_attn_->joined(self_attn_->forward(layer_norm1_(x), windows), x);
    const Tensor normal = pre_norm_(attended.view({-1, kWindow * width_}));
    const Tensor merged = linear_2_(activate(linear_1_(normal), Activation::GeluTanh));
    return merged + attended.view({-1, kWindow, width_}).mean(1);
  }
  LayerCost cost(const StepTerms& terms, std::int64_t patches, bool flows) const {
    RowsShape windows = unmoved_rows(terms, patches);
    windows.rows = patches / kWindow, windows.longest = kWindow;
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(patches * width_);
    parts.norm_before = norm_kept(terms, layer_norm1_, patches);
    parts.norm_after = norm_kept(terms, pre_norm_, patches / kWindow);
    parts.attention = self_attn_->cost(terms, windows, flows);
    const bool inner = parts.attention.passes || terms.of(*pre_norm_).trains;
    parts.mlp = mlp_cost(terms, {linear_1_}, linear_2_, patches / kWindow, inner);
    return tower_layer_cost(parts);
  }

 private:
  std::int64_t width_;
  std::shared_ptr<FrameAttention> self_attn_;
  LayerNorm layer_norm1_{nullptr}, pre_norm_{nullptr};
  Linear linear_1_{nullptr}, linear_2_{nullptr};
};

MiniCpmTower::MiniCpmTower(const MiniCpmVisionOptions& o, const torch::TensorOptions& t)
    : PatchPort({o.hidden_size, o.num_hidden_layers, 0, "",
                 "this tower places its patches by their rows and columns, which such tokens do "
                 "not have"}),
      options_(o) {
  embeddings_ = register_module("embeddings", std::make_shared<Embeddings>(o, t));
  const auto encoder =
      register_module("encoder", std::make_shared<torch::nn::Module>("MiniCPMV4_6VisionEncoder"));
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<FrameLayer>(o, t));
    list->push_back(layers_.back());
  }
  encoder->register_module("layers", list);
  post_layernorm_ =
      register_module("post_layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  vit_merger_ = register_module("vit_merger", std::make_shared<WindowMerger>(o, t));
}

NamedTensorMap MiniCpmTower::places(const std::vector<PatchGrid>& units) const {
  NamedTensorMap made;
  const Tensor order = nested_order(units, options_.levels());
  made[kUnitOrder] = order;
  made[kUnitOrderBack] = order.argsort();
  made[kUnitPositions] = nearest_positions(units, options_.position_side()).index_select(0, order);
  return made;
}

void MiniCpmTower::prepare(ModelInput& input) const {
  const std::vector<PatchGrid> units = units_of(input.pictures);
  for (const auto& [name, tensor] : places(units)) input.aside[name] = tensor;
  unit_rows(units, 1).set_aside(input.aside, kUnits);
  if (!options_.merges) return;
  window_rows(units).set_aside(input.aside, kUnitWindows);
  unit_rows(units, kWindow).set_aside(input.aside, kMergedUnits);
}

Tensor MiniCpmTower::forward(const ModelInput& input) {
  const std::vector<PatchGrid> units = units_of(input.pictures);
  RowLayout rows = unit_rows(units, 1);
  const Tensor& pixels = input.pixel_values;
  TORCH_CHECK(pixels.dim() == 2 && pixels.size(0) == rows.tokens() &&
                  pixels.size(1) == options_.patch_values(),
              "the pictures' patches do not fit the tower");
  NamedTensorMap made = input.aside;
  if (!made.contains(kUnitOrder)) {
    made = places(units);
    for (auto& [name, tensor] : made) tensor = tensor.to(pixels.device());
  }
  rows.take_back(made, kUnits);
  Tensor x = embeddings_->forward(pixels, made.at(kUnitOrder), made.at(kUnitOrderBack),
                                  made.at(kUnitPositions));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = layers_[i]->forward(x, rows);
    if (!options_.merges || static_cast<std::int64_t>(i) != options_.insert_layer_id) continue;
    RowLayout windows = window_rows(units);
    windows.take_back(made, kUnitWindows);
    x = vit_merger_->forward(x, windows);
    rows = unit_rows(units, kWindow);
    rows.take_back(made, kMergedUnits);
  }
  return post_layernorm_(x);
}

TowerCost MiniCpmTower::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  std::int64_t patches = pass.pictures.patches;
  TowerCost cost;
  embeddings_->add_cost(cost, terms, pass.pictures.numbers);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    cost.add_layer(terms, layers_[i]->cost(terms, unmoved_rows(terms, patches), cost.flows));
    if (!options_.merges || static_cast<std::int64_t>(i) != options_.insert_layer_id) continue;
    cost.add_layer(terms, vit_merger_->cost(terms, patches, cost.flows));
    patches /= kWindow;
  }
  const TrainedShare last = terms.of(*post_layernorm_);
  if (cost.flows || last.trains)
    cost.add_part(terms, last, norm_kept(terms, post_layernorm_, patches));
  if (!options_.merges) cost.unreached += trained_within(terms, *vit_merger_).parameters;
  return cost;
}

class MiniCpmMerger::Downsample : public torch::nn::Module {
 public:
  Downsample(std::int64_t width, std::int64_t out, const torch::TensorOptions& t)
      : folded_(kWindow * width) {
    constexpr double kEpsilon = 1e-6;
    pre_norm_ = register_module("pre_norm", LayerNorm(folded_, kEpsilon, t));
    linear_1_ = register_module("linear_1", Linear(folded_, folded_, true, t));
    linear_2_ = register_module("linear_2", Linear(folded_, out, true, t));
  }
  Tensor forward(const Tensor& features) {
    const Tensor normal = pre_norm_(features.view({-1, folded_}));
    return linear_2_(activate(linear_1_(normal), Activation::Gelu));
  }
  bool trains(const StepTerms& terms) const { return trained_within(terms, *this).trains; }
  std::int64_t kept(const StepTerms& terms, std::int64_t made) const {
    return projector_norm_kept(terms, made, folded_) + projector_kept(terms, made, folded_, folded_,
                                                                      terms.of(*linear_1_),
                                                                      terms.of(*linear_2_));
  }

 private:
  std::int64_t folded_;
  LayerNorm pre_norm_{nullptr};
  Linear linear_1_{nullptr}, linear_2_{nullptr};
};

MiniCpmMerger::MiniCpmMerger(const MiniCpmVisionOptions& o, const torch::TensorOptions& t) {
  torch::nn::ModuleList list;
  for (std::int64_t i = 1; i <= o.merger_times; ++i) {
    const std::int64_t out = i < o.merger_times ? o.hidden_size : o.text_width;
    mlp_.push_back(std::make_shared<Downsample>(o.hidden_size, out, t));
    list->push_back(mlp_.back());
  }
  register_module("mlp", list);
}

Tensor MiniCpmMerger::forward(const Tensor& features) {
  Tensor x = features;
  for (const std::shared_ptr<Downsample>& each : mlp_) x = each->forward(x);
  return x;
}

ProjectorCost MiniCpmMerger::cost(const Pass& pass) const {
  ProjectorCost cost;
  std::int64_t made = pass.pictures.tokens;
  for (std::size_t i = mlp_.size(); i-- > 0; made *= kWindow) {
    cost.trains = cost.trains || mlp_[i]->trains(pass.terms);
    cost.kept += mlp_[i]->kept(pass.terms, made);
  }
  return cost;
}

}  // namespace luthier
