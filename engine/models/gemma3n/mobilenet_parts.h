// SPDX-License-Identifier: GPL-3.0-or-later
// What MobileNet-V5's blocks are made of. States stand place by place, [frames, rows, columns,
// channels], all the way; norms are over the channels of a place.
#pragma once

#include <memory>

#include "engine/models/cost.h"
#include "engine/nn/layers.h"
#include "engine/nn/patch_product.h"

namespace luthier {

/// Places of a frame batch.
struct MobilePlaces {
  std::int64_t frames = 0, rows = 0, columns = 0;
  std::int64_t count() const { return frames * rows * columns; }
  MobilePlaces halved(std::int64_t stride) const {
    return {frames, (rows + stride - 1) / stride, (columns + stride - 1) / stride};
  }
};

/// Holds parts under their names, and does nothing else.
class MobileHolder : public torch::nn::Module {};

/// A convolution of single places: one product, on which what hangs on a Linear can hang.
class PlaceProduct : public PatchProduct {
 public:
  PlaceProduct(std::int64_t in, std::int64_t out, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const { return product(x); }
  std::string type_name() const override { return "Conv2d"; }
};

/// A convolution of squares, as many results as places over the stride: zeros stand around, one
/// more behind than before where they are odd (TensorFlow's SAME).
class SquareConvolution : public ParameterModule {
 public:
  /// `apart`: channel by channel.
  SquareConvolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                    bool apart, bool bias, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const;
  torch::ScalarType dtype() const { return weight_.scalar_type(); }
  /// No product with windows, which what hangs on a convolution asks for.
  std::string type_name() const override { return apart_ ? "DepthwiseConv2d" : "SquareConv2d"; }

 private:
  std::int64_t kernel_, stride_;
  bool apart_;
  torch::Tensor weight_, bias_;
};

/// A part of a tower in the order of its forward, as it adds itself to what a step keeps.
class MobileCosts {
 public:
  MobileCosts(const StepTerms& terms, bool flows) : terms(terms), flows(flows) {}
  void add(const PlaceProduct& product, std::int64_t places);
  void add(const SquareConvolution& convolution, std::int64_t in, std::int64_t out);
  /// A norm, and the activation behind it.
  void add(const RmsNorm& norm, std::int64_t places, bool activated);
  /// What else is kept where a gradient passes.
  void add(std::int64_t bytes);
  void train(const TrainedShare& share);

  const StepTerms& terms;
  bool flows;  ///< a gradient is wanted of what comes next
  std::int64_t kept = 0, most = 0;
  TrainedShare share;
};

/// A convolution, a norm and, where it `activates`, GELU (timm's ConvNormAct).
class NormedConvolution : public torch::nn::Module {
 public:
  /// A kernel of 1: one product.
  NormedConvolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                    bool apart, bool bias, bool activates, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const;
  void add_cost(MobileCosts& cost, MobilePlaces& places) const;
  torch::ScalarType dtype() const { return bn_->weight.scalar_type(); }

 private:
  std::int64_t in_, out_, stride_;
  bool activates_;
  std::shared_ptr<PlaceProduct> product_;
  std::shared_ptr<SquareConvolution> squares_;
  RmsNorm bn_{nullptr};
};
using NormedPointer = std::shared_ptr<NormedConvolution>;

RmsNorm mobile_norm(std::int64_t channels, const torch::TensorOptions& tensors);

}  // namespace luthier
