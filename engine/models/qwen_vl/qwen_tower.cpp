// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/qwen_vl/qwen_tower.h"

#include <algorithm>

#include "engine/models/vision_parts.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/products.h"

namespace luthier {

using torch::Tensor;

namespace {

// What prepare() sets aside.
constexpr const char *kFrames = "frames", *kWindows = "windows", *kAngles = "patch_angles",
                     *kThere = "patches_by_window", *kBack = "patches_back";
std::string tap_index(std::size_t tap) { return "position_tap " + std::to_string(tap); }
std::string tap_share(std::size_t tap) { return "position_share " + std::to_string(tap); }

/// LayerNorm, or RMSNorm since Qwen2.5-VL, under one name.
class Norm {
 public:
  Norm() = default;
  Norm(torch::nn::Module& owner, const char* name, std::int64_t size, const QwenVisionOptions& o,
       const torch::TensorOptions& t);
  Tensor operator()(const Tensor& x) { return rms_ ? rms_(x) : layer_(x); }
  std::int64_t kept(const StepTerms& terms, std::int64_t rows) const {
    return rms_ ? norm_kept(terms, rms_, rows) : norm_kept(terms, layer_, rows);
  }

 private:
  RmsNorm rms_{nullptr};
  LayerNorm layer_{nullptr};
};

Norm::Norm(torch::nn::Module& owner, const char* name, std::int64_t size,
           const QwenVisionOptions& o, const torch::TensorOptions& t) {
  if (o.rms_norms)
    rms_ = owner.register_module(name, RmsNorm(size, o.epsilon, t));
  else
    layer_ = owner.register_module(name, LayerNorm(size, o.epsilon, t));
}

/// Patches of so many frames.
class PatchProjection : public PatchProduct {
 public:
  PatchProjection(const QwenVisionOptions& o, const torch::TensorOptions& t) {
    add_parameter("weight", weight_, {o.width, 3, o.temporal, o.patch, o.patch}, t);
    if (o.patch_bias) add_parameter("bias", bias_, {o.width}, t);
  }
  Tensor forward(const Tensor& patches) const { return product(patches.to(dtype())); }
  std::string type_name() const override { return "Conv3d"; }
};

class QwenTowerAttention : public torch::nn::Module, public BranchPort {
 public:
  QwenTowerAttention(const QwenVisionOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::Attention, o.width), heads_(o.heads), size_(o.head_dim()) {
    qkv_ = register_module("qkv", Linear(o.width, 3 * o.width, o.qkv_bias, t));
    proj_ = register_module("proj", Linear(o.width, o.width, o.proj_bias, t));
  }
  Tensor forward(const Tensor& x, const RowLayout& rows, const RotaryTable& table) {
    const std::vector<Tensor> parts = qkv_(x).view({-1, 3, heads_, size_}).unbind(1);
    // The rotation is in float32 whatever the weights' dtype.
    const auto turned = [&](const Tensor& part) {
      return rotate(part.to(torch::kFloat32), table).to(part.scalar_type());
    };
    // The values are copied: the backward would keep queries and keys as they were before they
    // turned along with a view of them.
    return proj_(attend(turned(parts[0]), turned(parts[1]), parts[2].contiguous(), rows,
                        AttentionRule{false, {}, 0, 0}));
  }

  /// `windows`: patches stand window by window, and are put back for the next product.
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t patches, bool windows,
                           bool flows) const {
    RowsShape rows = unmoved_rows(terms, patches);
    rows.copied = windows;
    AttentionBranchCost cost = attention_branch_cost(
        terms, {qkv_}, proj_, attention_cost(terms, rows, heads_, heads_, size_), 0, patches,
        flows);
    add_plug(cost, terms, *this, patches);
    return cost;
  }

 private:
  std::int64_t heads_, size_;
  Linear qkv_{nullptr}, proj_{nullptr};
};

class TwoLayers : public torch::nn::Module, public BranchPort {
 public:
  TwoLayers(const QwenVisionOptions& o, const torch::TensorOptions& t)
      : BranchPort(Kind::FeedForward, o.width), activation_(o.activation) {
    first_ = register_module(o.newer_names ? "linear_fc1" : "fc1",
                             Linear(o.width, o.intermediate, true, t));
    second_ = register_module(o.newer_names ? "linear_fc2" : "fc2",
                              Linear(o.intermediate, o.width, true, t));
  }
  Tensor forward(const Tensor& x) { return second_(activate(first_(x), activation_)); }
  MlpCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    MlpCost cost = mlp_cost(terms, {first_}, second_, rows, flows);
    add_plug(cost, terms, *this, rows);
    return cost;
  }

 private:
  Activation activation_;
  Linear first_{nullptr}, second_{nullptr};
};

}  // namespace

class QwenTower::PatchEmbed : public torch::nn::Module {
 public:
  PatchEmbed(const QwenVisionOptions& o, const torch::TensorOptions& t) {
    proj_ = register_module("proj", std::make_shared<PatchProjection>(o, t));
  }
  Tensor forward(const Tensor& patches) const { return proj_->forward(patches); }
  ProductsCost cost(const StepTerms& terms, std::int64_t pixels) const {
    return patches_cost(terms, *proj_, pixels);
  }

 private:
  std::shared_ptr<PatchProjection> proj_;
};

class QwenTower::Block : public torch::nn::Module {
 public:
  Block(const QwenVisionOptions& o, const torch::TensorOptions& t)
      : norm1_(*this, "norm1", o.width, o, t), norm2_(*this, "norm2", o.width, o, t) {
    attn_ = register_module("attn", std::make_shared<QwenTowerAttention>(o, t));
    if (o.gated_mlp)
      gated_ =
          register_module("mlp", GatedMlp(o.width, o.intermediate, o.mlp_bias, o.activation, t));
    else
      mlp_ = register_module("mlp", std::make_shared<TwoLayers>(o, t));
  }
  Tensor forward(const Tensor& x, const RowLayout& rows, const RotaryTable& table) {
    const Tensor attended = x + attn_->joined(attn_->forward(norm1_(x), rows, table), x);
    const Tensor normal = norm2_(attended);
    return attended + (gated_ ? gated_->joined(gated_(normal), attended)
                              : mlp_->joined(mlp_->forward(normal), attended));
  }
  LayerCost cost(const StepTerms& terms, std::int64_t patches, std::int64_t width, bool windows,
                 bool flows) const {
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(patches * width);
    parts.turned = 3 * parts.state;
    parts.norm_before = norm1_.kept(terms, patches);
    parts.norm_after = norm2_.kept(terms, patches);
    parts.attention = attn_->cost(terms, patches, windows, flows);
    parts.mlp = gated_ ? gated_->cost(terms, patches, parts.attention.passes)
                       : mlp_->cost(terms, patches, parts.attention.passes);
    return tower_layer_cost(parts);
  }

 private:
  Norm norm1_, norm2_;
  std::shared_ptr<QwenTowerAttention> attn_;
  std::shared_ptr<TwoLayers> mlp_;
  GatedMlp gated_{nullptr};
};

class QwenTower::Merger : public torch::nn::Module {
 public:
  /// `whole`: the norm spans the block (DeepStack's mergers), not each patch.
  Merger(const QwenVisionOptions& o, bool whole, const torch::TensorOptions& t)
      : block_(o.width * o.block()), whole_(whole) {
    norm_ = Norm(*this, o.newer_names ? "norm" : "ln_q", whole ? block_ : o.width, o, t);
    const Linear first(block_, block_, true, t), second(block_, o.out, true, t);
    if (o.newer_names) {
      first_ = register_module("linear_fc1", first),
      second_ = register_module("linear_fc2", second);
      return;
    }
    const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>(
                                                "Sequential"));  // 1 is the activation between them
    first_ = mlp->register_module("0", first), second_ = mlp->register_module("2", second);
  }
  Tensor forward(const Tensor& states) {
    const Tensor normal =
        whole_ ? norm_(states.reshape({-1, block_})) : norm_(states).reshape({-1, block_});
    return second_(activate(first_(normal), Activation::Gelu));
  }

  TrainedShare first(const StepTerms& terms) const { return terms.of(*first_); }
  TrainedShare second(const StepTerms& terms) const { return terms.of(*second_); }

 private:
  std::int64_t block_;
  bool whole_;
  Norm norm_;
  Linear first_{nullptr}, second_{nullptr};
};

QwenTower::QwenTower(const QwenVisionOptions& o, const torch::TensorOptions& t)
    : PatchPort(
          {o.width, o.depth, 0, "",
           "this tower turns its patches by their rows and columns (and Qwen2.5-VL's cuts its "
           "windows by them), which such tokens do not have"}),
      options_(o) {
  patch_embed_ = register_module("patch_embed", std::make_shared<PatchEmbed>(o, t));
  if (o.position_count > 0) register_positions(t);
  torch::nn::ModuleList blocks;
  for (std::int64_t i = 0; i < o.depth; ++i) {
    blocks_.push_back(std::make_shared<Block>(o, t));
    blocks->push_back(blocks_.back());
  }
  register_module("blocks", blocks);
  if (o.convolved) {
    conv_norm_ = register_module("post_conv_layernorm", RmsNorm(o.width, o.epsilon, t));
    last_norm_ = register_module("post_layernorm", RmsNorm(o.width, o.epsilon, t));
    downsample_ = register_module("downsample",
                                  std::make_shared<BlockConvolution>(o.width, o.out, o.merge, t));
    wide_merger_ = register_module(
        "merger", std::make_shared<WideMerger>(o.out, o.merger_width, o.activation, t));
    return;
  }
  merger_ = register_module("merger", std::make_shared<Merger>(o, false, t));
  if (!o.newer_names) return;
  torch::nn::ModuleList mergers;
  for (std::size_t i = 0; i < o.deepstack.size(); ++i) {
    deepstack_mergers_.push_back(std::make_shared<Merger>(o, true, t));
    mergers->push_back(deepstack_mergers_.back());
  }
  register_module("deepstack_merger_list", mergers);
}

void QwenTower::register_positions(const torch::TensorOptions& t) {
  const Embedding table(options_.position_count, options_.width, t);
  if (!options_.convolved) {
    pos_embed_ = register_module("pos_embed", table);
    return;
  }
  const auto around = register_module("embeddings", std::make_shared<torch::nn::Module>());
  pos_embed_ = around->register_module("position_embedding", table);
}

Tensor QwenTower::with_positions(const Tensor& x, const NamedTensorMap& made) const {
  Tensor sum;
  for (std::size_t tap = 0; made.contains(tap_index(tap)); ++tap) {
    const Tensor share = pos_embed_->forward(made.at(tap_index(tap))) * made.at(tap_share(tap));
    sum = sum.defined() ? sum + share : share;  // float32
  }
  return x + sum.to(x.scalar_type());
}

/// [patches, head_dim / 2] float32.
Tensor QwenTower::angles(const std::vector<QwenGrid>& grids) const {
  const std::int64_t half = options_.head_dim() / 2;
  const Tensor exponents =
      torch::arange(0, half, 2, torch::kInt64).to(torch::kFloat32) / static_cast<double>(half);
  const Tensor waves = 1.0 / torch::pow(options_.theta, exponents);  // [head_dim / 4]
  const Tensor turns =
      patch_coordinates(grids, options_.merge).unsqueeze(2) * waves;  // [patches, 2, head_dim / 4]
  return turns.flatten(1);
}

void QwenTower::set_tables_aside(const std::vector<QwenGrid>& grids, const WindowOrder& order,
                                 NamedTensorMap& aside) const {
  aside[kAngles] = angles(grids);
  if (pos_embed_) {
    const PositionTaps taps = (options_.convolved ? cubic_position_taps : position_taps)(
        grids, options_.merge, options_.position_side);
    for (std::size_t tap = 0; tap < taps.indices.size(); ++tap)
      aside[tap_index(tap)] = taps.indices[tap], aside[tap_share(tap)] = taps.weights[tap];
  }
  if (options_.window > 0) aside[kThere] = order.there, aside[kBack] = order.back;
}

WindowOrder QwenTower::windows_of(const std::vector<QwenGrid>& grids) const {
  return options_.window > 0 ? window_order(grids, options_.merge, options_.window) : WindowOrder();
}

void QwenTower::prepare(const std::vector<QwenGrid>& grids, NamedTensorMap& aside) const {
  const WindowOrder order = windows_of(grids);
  set_tables_aside(grids, order, aside);
  RowLayout(frame_lengths(grids)).set_aside(aside, kFrames);
  if (options_.window > 0) RowLayout(order.lengths).set_aside(aside, kWindows);
}

Tensor QwenTower::forward(const Tensor& pixel_values, const std::vector<QwenGrid>& grids,
                          const NamedTensorMap& aside) {
  NamedTensorMap made = aside;
  const WindowOrder order = windows_of(grids);
  if (!made.contains(kAngles)) {
    set_tables_aside(grids, order, made);
    std::vector<Tensor*> tensors;
    for (auto& [name, tensor] : made) tensors.push_back(&tensor);
    move_together(tensors, pixel_values.device());
  }
  RowLayout frames(frame_lengths(grids));
  frames.take_back(made, kFrames);
  TORCH_CHECK(pixel_values.dim() == 2 && pixel_values.size(0) == frames.tokens() &&
                  pixel_values.size(1) == options_.patch_values(),
              "the pictures' patches do not fit the tower");
  Tensor x = patch_embed_->forward(pixel_values);
  if (conv_norm_) x = conv_norm_(x);
  if (pos_embed_) x = with_positions(x, made);
  RotaryTable table = rotary_table(made.at(kAngles), torch::kFloat32);

  RowLayout windows;
  Tensor there, back;
  if (options_.window > 0) {  // patches stand window by window between the layers
    there = made.at(kThere), back = made.at(kBack);
    windows = RowLayout(order.lengths);
    windows.take_back(made, kWindows);
    x = reorder(x, there, back);
    table = {table.cos.index_select(0, there), table.sin.index_select(0, there)};
  }
  const auto reached = options_.reached();
  std::vector<Tensor> states;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    const bool whole = options_.window == 0 ||
                       std::find(options_.full_layers.begin(), options_.full_layers.end(), layer) !=
                           options_.full_layers.end();
    x = blocks_[i]->forward(x, whole ? frames : windows, table);
    if (states.size() < reached.size() && reached[states.size()].layer == layer)
      states.push_back(x);
  }
  if (options_.window > 0) x = reorder(x, back, there);
  if (last_norm_) x = last_norm_(x);
  states.insert(states.begin(), x);
  return states.size() == 1 ? x : at::cat(states, 1);
}

Tensor QwenTower::states_of(const Tensor& states, std::size_t place) const {
  const auto start = static_cast<std::int64_t>(place) * options_.width;
  return states.slice(1, start, start + options_.width);
}

Tensor QwenTower::merge(const Tensor& states) {
  if (wide_merger_) return wide_merger_->forward(downsample_->forward(states));
  return merger_->forward(states_of(states, 0));
}

std::vector<Tensor> QwenTower::merge_deepstack(const Tensor& states) {
  std::vector<Tensor> features;
  for (const auto& each : options_.reached()) {
    features.push_back(
        deepstack_mergers_.at(each.merger)->forward(states_of(states, features.size() + 1)));
  }
  return features;
}

TowerCost QwenTower::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t patches = pass.pictures.patches;
  TowerCost cost;
  TrainedShare start = trained_within(terms, *patch_embed_);
  if (pos_embed_) start += terms.of(*pos_embed_);
  const ProductsCost product = patch_embed_->cost(terms, pass.pictures.numbers);
  std::int64_t kept = product.input + product.numbers;
  if (conv_norm_) {
    start += terms.of(*conv_norm_);
    if (start.trains) kept += norm_kept(terms, conv_norm_, patches);
  }
  cost.add_part(terms, start, kept, product.work);
  for (const auto& block : blocks_) {
    const bool windows = options_.window > 0;
    cost.add_layer(terms, block->cost(terms, patches, options_.width, windows, cost.flows));
  }
  if (last_norm_ && (cost.flows || terms.of(*last_norm_).trains))
    cost.add_part(terms, terms.of(*last_norm_), norm_kept(terms, last_norm_, patches));
  // The rotary table stands until the first layer's backward has been.
  if (cost.flows) cost.stages.front().kept += 2 * terms.floats(patches * options_.head_dim());
  return cost;
}

ProjectorCost QwenTower::mergers_cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  if (wide_merger_) {
    ProjectorCost cost = wide_merger_->cost(terms, pass.pictures.tokens);
    const ProductsCost convolved =
        patches_cost(terms, *downsample_, pass.pictures.patches * options_.width);
    cost.trains = cost.trains || trained_within(terms, *downsample_).trains;
    cost.kept += convolved.input + convolved.numbers;
    cost.work = std::max(cost.work, convolved.work);
    return cost;
  }
  const std::int64_t features = pass.pictures.tokens, block = options_.width * options_.block();
  const std::int64_t norm = projector_norm_kept(terms, features, block);
  ProjectorCost cost;
  const auto add = [&](const Merger& merger) {
    cost.trains = cost.trains || trained_within(terms, merger).trains;
    cost.kept +=
        projector_kept(terms, features, block, block, merger.first(terms), merger.second(terms));
  };
  add(*merger_);
  if (deepstack_mergers_.empty()) {
    cost.kept += norm;
    return cost;
  }
  // DeepStack's states lie beside the last layer's; each of its mergers takes a copy of its own.
  for (const auto& merger : deepstack_mergers_) add(*merger);
  const auto deepstack = static_cast<std::int64_t>(options_.reached().size());
  cost.kept += terms.block(pass.pictures.patches * options_.width * (1 + deepstack));
  cost.kept += deepstack * norm;
  return cost;
}

}  // namespace luthier
