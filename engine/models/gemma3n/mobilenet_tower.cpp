// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma3n/mobilenet_tower.h"

#include <algorithm>

namespace luthier {

using torch::Tensor;

namespace {

/// Channels first, for what LibTorch has of pictures, and back.
Tensor resized(const Tensor& x, std::int64_t rows, std::int64_t columns, bool nearest) {
  const Tensor first = x.permute({0, 3, 1, 2});
  const Tensor made = nearest ? at::upsample_nearest2d(first, {rows, columns})
                              : at::upsample_bilinear2d(first, {rows, columns}, false);
  return made.permute({0, 2, 3, 1}).contiguous();
}

std::shared_ptr<MobilePart> mobile_part(const MobileBlock& block, const torch::TensorOptions& t) {
  switch (block.kind) {
    case MobileBlock::Kind::Edge: return std::make_shared<MobileEdge>(block, t);
    case MobileBlock::Kind::Attention: return std::make_shared<MobileAttention>(block, t);
    case MobileBlock::Kind::Bottleneck: break;
  }
  return std::make_shared<MobileBottleneck>(block, t);
}

}  // namespace

/// timm's MobileNetV5MultiScaleFusionAdapter.
class MobileNetTower::Fusion : public torch::nn::Module {
 public:
  Fusion(const MobileNetOptions& o, const torch::TensorOptions& t) : side_(o.fused_side) {
    MobileBlock block;
    block.in = o.fused_channels(), block.out = o.hidden_size;
    block.wide = (2 * block.in + 4) / 8 * 8;  // channels are eights already
    block.scales = false;
    ffn_ = register_module("ffn", std::make_shared<MobileBottleneck>(block, t));
    norm_ = register_module("norm", mobile_norm(o.hidden_size, t));
  }

  /// The largest first.
  Tensor forward(const std::vector<Tensor>& states) const {
    const std::int64_t rows = states.front().size(1), columns = states.front().size(2);
    std::vector<Tensor> all;
    for (const Tensor& each : states) {
      const bool small = each.size(1) < rows || each.size(2) < columns;
      all.push_back(small ? resized(each, rows, columns, /*nearest=*/true) : each);
    }
    Tensor made = ffn_->forward(all.size() > 1 ? at::cat(all, -1) : all.front());
    if (rows != side_ || columns != side_) {
      if (rows % side_ != 0 || columns % side_ != 0) {
        made = resized(made, side_, side_, /*nearest=*/false);
      } else {
        made = made.unflatten(2, {side_, columns / side_})
                   .unflatten(1, {side_, rows / side_})
                   .mean({2, 4});
      }
    }
    return norm_->forward(made);
  }

  void add_cost(MobileCosts& cost, MobilePlaces places) const {
    const std::int64_t frames = places.frames;
    ffn_->add_cost(cost, places);
    cost.add(norm_, frames * side_ * side_, /*activated=*/false);
  }

 private:
  std::int64_t side_;
  std::shared_ptr<MobileBottleneck> ffn_;
  RmsNorm norm_{nullptr};
};

MobileNetTower::MobileNetTower(const MobileNetOptions& o, const torch::TensorOptions& t)
    : options_(o) {
  const auto model = register_module("timm_model", std::make_shared<MobileHolder>());
  stem_ = model->register_module(
      "conv_stem", std::make_shared<NormedConvolution>(3, o.stem, 3, 2, /*apart=*/false,
                                                       /*bias=*/true, /*activates=*/true, t));
  torch::nn::ModuleList stages;
  for (const auto& blocks : o.stages) {
    torch::nn::ModuleList stage;
    auto& parts = stages_.emplace_back();
    for (const MobileBlock& block : blocks) {
      parts.push_back(mobile_part(block, t));
      stage->push_back(parts.back());
    }
    stages->push_back(stage.ptr());
  }
  model->register_module("blocks", stages);
  msfa_ = model->register_module("msfa", std::make_shared<Fusion>(o, t));
}

Tensor MobileNetTower::forward(const Tensor& pixels) const {
  Tensor x = stem_->forward(pixels.to(stem_->dtype()).permute({0, 2, 3, 1}));
  std::vector<Tensor> fused;
  if (options_.fused.front()) fused.push_back(x);
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    for (const auto& part : stages_[i]) x = part->forward(x);
    if (options_.fused[i + 1]) fused.push_back(x);
  }
  return msfa_->forward(fused).flatten(1, 2);
}

TowerCost MobileNetTower::cost(const StepTerms& terms, std::int64_t frames, std::int64_t height,
                               std::int64_t width) const {
  TowerCost cost;
  MobilePlaces places{frames, height, width}, largest{};
  const auto add = [&](const MobileCosts& made) {
    LayerCost part;
    part.share = made.share;
    part.attention = made.kept, part.attention_work = made.most;
    cost.add_layer(terms, part);
    cost.flows = cost.flows || made.flows;
  };
  const auto keep = [&](std::size_t place) {
    if (options_.fused[place] && largest.frames == 0) largest = places;
  };
  MobileCosts stem(terms, /*flows=*/false);
  stem_->add_cost(stem, places);
  add(stem);
  keep(0);
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    for (const auto& part : stages_[i]) {
      MobileCosts block(terms, cost.flows);
      part->add_cost(block, places);
      add(block);
    }
    keep(i + 1);
  }
  MobileCosts end(terms, cost.flows);
  msfa_->add_cost(end, largest);
  add(end);
  return cost;
}

}  // namespace luthier
