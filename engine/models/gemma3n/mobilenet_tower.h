// SPDX-License-Identifier: GPL-3.0-or-later
// MobileNet-V5's encoder (Gemma 3n's technical notes, Google 2025; after MobileNet-V4, Qin et al.
// 2024), equal to timm's MobileNetV5Encoder: a stem, stages of blocks that each halve both sides,
// and what puts the states of some of them together. What timm drops of whole branches in training
// is left out; its towers have none unless they are asked for it.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/gemma3n/mobilenet_options.h"
#include "engine/models/gemma3n/mobilenet_parts.h"

namespace luthier {

/// A block of a stage.
class MobilePart : public torch::nn::Module {
 public:
  /// x [frames, rows, columns, in] → [frames, rows', columns', out].
  virtual torch::Tensor forward(const torch::Tensor& x) const = 0;
  virtual void add_cost(MobileCosts& cost, MobilePlaces& places) const = 0;
};

/// A learned number a channel.
class ChannelScale : public ParameterModule {
 public:
  ChannelScale(std::int64_t channels, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const { return x * gamma_; }
  std::string type_name() const override { return "Parameter"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;
  void add_cost(MobileCosts& cost, std::int64_t places) const;

 private:
  torch::Tensor gamma_;
};

/// timm's EdgeResidual.
class MobileEdge : public MobilePart {
 public:
  MobileEdge(const MobileBlock& block, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const override;
  void add_cost(MobileCosts& cost, MobilePlaces& places) const override;

 private:
  MobileBlock block_;
  std::shared_ptr<SquareConvolution> conv_exp_;
  std::shared_ptr<PlaceProduct> conv_pwl_;
  RmsNorm bn1_{nullptr}, bn2_{nullptr};
};

/// timm's UniversalInvertedResidual.
class MobileBottleneck : public MobilePart {
 public:
  MobileBottleneck(const MobileBlock& block, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const override;
  void add_cost(MobileCosts& cost, MobilePlaces& places) const override;

 private:
  bool skips_;
  std::vector<NormedPointer> parts_;  ///< in the order of the forward
  std::shared_ptr<ChannelScale> layer_scale_;
};

/// timm's MobileAttention with many queries and one key and value a place.
class MobileAttention : public MobilePart {
 public:
  MobileAttention(const MobileBlock& block, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const override;
  void add_cost(MobileCosts& cost, MobilePlaces& places) const override;

 private:
  class Attention;

  bool skips_;
  RmsNorm norm_{nullptr};
  std::shared_ptr<Attention> attn_;
  std::shared_ptr<ChannelScale> layer_scale_;
};

class MobileNetTower : public torch::nn::Module {
 public:
  MobileNetTower(const MobileNetOptions& options, const torch::TensorOptions& tensors);
  /// pixels [frames, 3, height, width] → [frames, rows · columns, hidden], row by row.
  torch::Tensor forward(const torch::Tensor& pixels) const;
  TowerCost cost(const StepTerms& terms, std::int64_t frames, std::int64_t height,
                 std::int64_t width) const;

 private:
  class Fusion;

  MobileNetOptions options_;
  NormedPointer stem_;
  std::vector<std::vector<std::shared_ptr<MobilePart>>> stages_;
  std::shared_ptr<Fusion> msfa_;
};

}  // namespace luthier
