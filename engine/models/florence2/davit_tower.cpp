// SPDX-License-Identifier: GPL-3.0-or-later
// States stand place by place, [frames, rows, columns, width], all the way.
#include "engine/models/florence2/davit_tower.h"

#include <cmath>

#include "engine/nn/attention.h"
#include "engine/nn/module_cost.h"

namespace luthier::florence2 {

using torch::Tensor;

namespace {

/// PyTorch's; the configuration has none.
constexpr double kNormEpsilon = 1e-5;

VisionSizes mlp_sizes(const DavitOptions& o, const StageSizes& stage) {
  VisionSizes sizes;
  sizes.hidden_size = stage.width, sizes.intermediate_size = o.wide(stage);
  sizes.hidden_act = o.activation;
  return sizes;
}

class Part : public torch::nn::Module {};

}  // namespace

DavitAttention::DavitAttention(const DavitOptions& o, const StageSizes& stage,
                               const torch::TensorOptions& t)
    : BranchPort(Kind::Attention, stage.width) {
  qkv_ = register_module("qkv", Linear(stage.width, 3 * stage.width, o.qkv_bias, t));
  proj_ = register_module("proj", Linear(stage.width, stage.width, true, t));
}

/// Zeros fill the last windows up, and are seen as any place is.
Tensor WindowAttention::forward(const Tensor& x) const {
  const std::int64_t frames = x.size(0), width = x.size(3), rows = padded(x.size(1)),
                     columns = padded(x.size(2)), down = rows / window_, along = columns / window_,
                     area = window_ * window_;
  const bool fits = rows == x.size(1) && columns == x.size(2);
  const Tensor all =
      fits ? x : at::constant_pad_nd(x, {0, 0, 0, columns - x.size(2), 0, rows - x.size(1)});
  const Tensor windows = all.reshape({frames, down, window_, along, window_, width})
                             .permute({0, 1, 3, 2, 4, 5})
                             .reshape({-1, width});  // [places of all windows, width]
  const auto made = qkv_->forward(windows).view({-1, 3, heads_, width / heads_}).unbind(1);
  AttentionRule rule;
  rule.causal = false;
  const RowLayout layout(
      std::vector<std::int64_t>(static_cast<std::size_t>(frames * down * along), area));
  const Tensor mixed = proj_->forward(attend(made[0], made[1], made[2], layout, rule));
  return mixed.view({frames, down, along, window_, window_, width})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({frames, rows, columns, width})
      .slice(1, 0, x.size(1))
      .slice(2, 0, x.size(2));
}

/// The places are what a channel is made of, as a head's numbers are elsewhere.
Tensor ChannelAttention::forward(const Tensor& x) const {
  const std::int64_t frames = x.size(0), places = x.size(1) * x.size(2), width = x.size(3);
  const Tensor all = qkv_->forward(x.reshape({frames * places, width}))
                         .view({frames, places, 3, groups_, width / groups_})
                         .permute({2, 0, 3, 4, 1});
  const auto channels = [&](std::int64_t which) { return all[which].contiguous(); };
  const double scale = 1 / std::sqrt(static_cast<double>(places));
  const Tensor mixed = at::scaled_dot_product_attention(
      channels(0), channels(1), channels(2), {}, 0, false, scale);  // [frames, groups, ., places]
  return proj_->forward(mixed.permute({0, 3, 1, 2}).reshape({frames * places, width}))
      .view({frames, x.size(1), x.size(2), width});
}

DavitHalf::DavitHalf(const char* name, std::shared_ptr<DavitAttention> attention,
                     const DavitOptions& o, const StageSizes& stage,
                     const torch::TensorOptions& t) {
  const auto convolution = [&] { return std::make_shared<ChannelConvolution>(stage.width, t); };
  conv1_ = register_module("conv1", convolution());
  norm1_ = register_module("norm1", LayerNorm(stage.width, kNormEpsilon, t));
  attention_ = register_module(name, std::move(attention));
  conv2_ = register_module("conv2", convolution());
  norm2_ = register_module("norm2", LayerNorm(stage.width, kNormEpsilon, t));
  ffn_ = register_module("ffn", std::make_shared<VisionMlp>(mlp_sizes(o, stage), t));
}

Tensor DavitHalf::forward(const Tensor& x) const {
  const Tensor seen = conv1_->forward(x);
  const Tensor looked = seen + attention_->joined(attention_->forward(norm1_->forward(seen)), seen);
  const Tensor wide = conv2_->forward(looked);
  return wide + ffn_->joined(ffn_->forward(norm2_->forward(wide)), wide);
}

/// What begins a stage.
struct DavitTower::Begin : torch::nn::Module {
  Begin(std::int64_t in, const StageSizes& stage, const torch::TensorOptions& t)
      : first(stage.norm_first) {
    conv = register_module("conv", std::make_shared<WindowConvolution>(in, stage, t));
    norm = register_module("norm", LayerNorm(first ? in : stage.width, kNormEpsilon, t));
  }
  Tensor forward(const Tensor& x) const {
    return first ? conv->forward(norm->forward(x)) : norm->forward(conv->forward(x));
  }
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t before,
                std::int64_t places) const {
    if (first) add_norm(cost, terms, before);
    conv->add_cost(cost, terms, before, places);
    if (!first) add_norm(cost, terms, places);
  }

  bool first;
  std::shared_ptr<WindowConvolution> conv;
  LayerNorm norm{nullptr};

 private:
  void add_norm(TowerCost& cost, const StepTerms& terms, std::int64_t places) const {
    const TrainedShare share = terms.of(*norm);
    if (!cost.flows && !share.trains) return;
    cost.add_part(terms, share, norm_kept(terms, norm, places), norm_work(terms, norm, places));
  }
};

DavitTower::DavitTower(const DavitOptions& o, const torch::TensorOptions& t) : options_(o) {
  torch::nn::ModuleList convs, blocks;
  std::int64_t in = o.channels;
  for (const StageSizes& stage : o.stages) {
    begins_.push_back(std::make_shared<Begin>(in, stage, t));
    convs->push_back(begins_.back());
    torch::nn::ModuleList of_stage;
    auto& halves = halves_.emplace_back();
    for (std::int64_t i = 0; i < stage.depth; ++i) {
      halves.push_back(std::make_shared<DavitHalf>(
          "window_attn", std::make_shared<WindowAttention>(o, stage, t), o, stage, t));
      halves.push_back(std::make_shared<DavitHalf>(
          "channel_attn", std::make_shared<ChannelAttention>(o, stage, t), o, stage, t));
      const auto block = std::make_shared<Part>();
      block->register_module("spatial_block", halves[halves.size() - 2]);
      block->register_module("channel_block", halves.back());
      of_stage->push_back(block);
    }
    blocks->push_back(of_stage.ptr());
    in = stage.width;
  }
  register_module("convs", convs);
  register_module("blocks", blocks);
}

Tensor DavitTower::forward(const Tensor& pixels) const {
  const auto type = begins_.front()->conv->dtype();
  Tensor x = pixels.to(type).permute({0, 2, 3, 1});
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    x = begins_[i]->forward(x);
    for (const auto& half : halves_[i]) x = half->forward(x);
  }
  return x;
}

TowerCost DavitTower::cost(const StepTerms& terms, std::int64_t frames, std::int64_t height,
                           std::int64_t width) const {
  TowerCost cost;
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    const std::int64_t before = frames * height * width;
    height = windows_along(height, options_.stages[i]);
    width = windows_along(width, options_.stages[i]);
    begins_[i]->add_cost(cost, terms, before, frames * height * width);
    for (const auto& half : halves_[i]) half->add_cost(cost, terms, frames, height, width);
  }
  return cost;
}

}  // namespace luthier::florence2
