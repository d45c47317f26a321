// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/timm/nfnet_body.h"

#include <algorithm>
#include <cmath>

#include "engine/models/resnet/convolution_layer.h"
#include "engine/nn/convolutions/convolution.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class NfnetPart : public torch::nn::Module {};

/// What makes an activation's result as spread as a normal number that it gets (Brock et al. 2021).
double spread_of(Activation activation) {
  return activation == Activation::Relu   ? 1.7139588594436646
         : activation == Activation::Silu ? 1.7881293296813965
                                          : 1.7015043497085571;
}

/// The activation, as spread as what it gets, times `by`.
Tensor activate_scaled(const Tensor& x, Activation activation, double by = 1) {
  return activate_map(x, activation) * (spread_of(activation) * by);
}

/// A 1×1 convolution that begins as torch's do here: by the numbers that it sees.
class SqueezeConvolution : public ConvolutionImpl {
 public:
  SqueezeConvolution(std::int64_t in, std::int64_t out, const torch::TensorOptions& t)
      : ConvolutionImpl(
            [&] {
              ConvolutionShape shape{in, out};
              shape.bias = true;
              return shape;
            }(),
            t) {}
  Tensor first_value(const std::string& name, const at::Generator& generator) const override {
    if (name != "weight") return ParameterModule::first_value(name, generator);
    return torch::empty(weight.sizes(), torch::kFloat32)
        .normal_(0, 1 / std::sqrt(static_cast<double>(shape.in)), generator);
  }
};

/// Opens each channel by what the means of all say.
class SqueezeExcite : public torch::nn::Module {
 public:
  SqueezeExcite(std::int64_t channels, double ratio, const torch::TensorOptions& t) {
    const auto half = static_cast<std::int64_t>(static_cast<double>(channels) * ratio + 4);
    const std::int64_t narrow = std::max<std::int64_t>(8, half / 8 * 8);
    down_ = register_module("fc1", std::make_shared<SqueezeConvolution>(channels, narrow, t));
    up_ = register_module("fc2", std::make_shared<SqueezeConvolution>(narrow, channels, t));
  }
  /// x [pictures, channels, height, width] → the same, each channel times at most `gain`.
  Tensor forward(const Tensor& x, double gain) const {
    const Tensor means = x.mean({2, 3}, /*keepdim=*/true);
    return x * (at::sigmoid(up_->forward(at::relu(down_->forward(means)))) * gain);
  }
  TrainedShare share(const StepTerms& terms) const {
    TrainedShare share = terms.of(*down_);
    share += terms.of(*up_);
    return share;
  }

 private:
  std::shared_ptr<SqueezeConvolution> down_, up_;
};

/// Adds the stage of a convolution and of what it keeps: its input, unless another keeps that too,
/// the standardised weight, and its result, where an activation reads it. Steps `at` over it.
/// `beside`: bytes that stand while it runs, where nothing is kept.
void add_scaled_cost(const StepTerms& terms, const ScaledConvolution& convolution, bool own_input,
                     bool keeps_result, std::int64_t beside, MapShape& at, TowerCost& cost) {
  const ScaledConvolutionShape& shape = convolution->shape;
  MapShape seen = at;
  if (convolution->pads()) seen.height += 1, seen.width += 1;
  const std::int64_t before = terms.block(seen.numbers(shape.in));
  at = at.after(shape.stride);
  const std::int64_t made = terms.block(at.numbers(shape.out)),
                     weight = terms.block(convolution->weight.numel());
  const TrainedShare share = terms.of(*convolution);
  if (!cost.flows && !share.trains) {
    // What the activation reads and makes, the copy with zeros, and a weight that is made for each
    // picture, of which a fixed body reads one at a time.
    const std::int64_t inputs = 1 + (own_input ? 1 : 0) + (convolution->pads() ? 1 : 0);
    cost.add_part(terms, share, 0,
                  beside + inputs * before + made + weight * std::max<std::int64_t>(1, at.frames));
    return;
  }
  const std::int64_t kept =
      (own_input || convolution->pads() ? before : 0) + weight + (keeps_result ? made : 0);
  cost.add_part(terms, share, kept, 2 * made + before + weight);
}

}  // namespace

class NfnetBody::Stem : public torch::nn::Module {
 public:
  Stem(const NfnetOptions& o, const torch::TensorOptions& t) : activation_(o.activation) {
    constexpr std::int64_t kStrides[] = {2, 1, 1, 2};
    std::int64_t in = 3;
    for (std::size_t i = 0; i < std::size(kStrides); ++i) {
      const std::int64_t out = o.stem >> (3 - i);
      list_.push_back(register_module(
          "conv" + std::to_string(i + 1),
          ScaledConvolution(ScaledConvolutionShape{in, out, 3, kStrides[i], 1, o.epsilon}, t)));
      in = out;
    }
  }
  Tensor forward(const Tensor& pixels) const {
    Tensor x = list_.front()->forward(pixels.to(list_.front()->weight.scalar_type()));
    for (std::size_t i = 1; i < list_.size(); ++i)
      x = list_[i]->forward(activate_scaled(x, activation_));
    return x;
  }
  void add_cost(const StepTerms& terms, std::int64_t pixels, MapShape& at, TowerCost& cost) const {
    for (const ScaledConvolution& each : list_)
      add_scaled_cost(terms, each, true, true, pixels, at, cost);
  }

 private:
  Activation activation_;
  std::vector<ScaledConvolution> list_;
};

class NfnetBody::Block : public ParameterModule {
 public:
  /// `beta`: what its input is multiplied with to be of a spread of 1.
  Block(const NfnetOptions& o, std::int64_t in, std::int64_t out, std::int64_t stride, double beta,
        const torch::TensorOptions& t)
      : activation_(o.activation),
        alpha_(o.alpha),
        beta_(beta),
        gain_(o.attn_gain),
        stride_(stride),
        out_(out) {
    const std::int64_t middle = o.middle(out), groups = o.groups(out);
    const auto make = [&](ScaledConvolutionShape shape) {
      shape.epsilon = o.epsilon;
      return ScaledConvolution(shape, t);
    };
    if (in != out || stride != 1)
      shortcut_ = register_module("downsample", std::make_shared<NfnetPart>())
                      ->register_module("conv", make({in, out}));
    inside_ = {register_module("conv1", make({in, middle})),
               register_module("conv2", make({middle, middle, 3, stride, groups})),
               register_module("conv2b", make({middle, middle, 3, 1, groups})),
               register_module("conv3", make({middle, out}))};
    squeeze_ =
        register_module("attn_last", std::make_shared<SqueezeExcite>(out, o.squeeze_ratio, t));
    if (o.skipinit) add_parameter("skipinit_gain", skipinit_gain_, {}, t);
  }
  std::string type_name() const override { return "Parameter"; }
  Tensor first_value(const std::string& name, const at::Generator& generator) const override {
    if (name == "skipinit_gain") return torch::zeros({}, torch::kFloat32);
    return ParameterModule::first_value(name, generator);
  }

  Tensor forward(const Tensor& x) const {
    const Tensor entered = activate_scaled(x, activation_, beta_);
    Tensor made = inside_.front()->forward(entered);
    for (std::size_t i = 1; i < inside_.size(); ++i)
      made = inside_[i]->forward(activate_scaled(made, activation_));
    made = squeeze_->forward(made, gain_);
    if (skipinit_gain_.defined()) made = made * skipinit_gain_;
    return made * alpha_ + (shortcut_ ? shortcut_->forward(pooled(entered)) : x);
  }

  void add_cost(const StepTerms& terms, std::int64_t pixels, MapShape& at, TowerCost& cost) const {
    // The block's input, and what its activation makes of it.
    const std::int64_t beside = pixels + 2 * terms.block(at.numbers(inside_.front()->shape.in));
    if (shortcut_) {
      MapShape side = at.after(stride_);
      add_scaled_cost(terms, shortcut_, /*own_input=*/stride_ > 1, false, beside, side, cost);
    }
    for (std::size_t i = 0; i < inside_.size(); ++i)
      add_scaled_cost(terms, inside_[i], true, true, beside, at, cost);
    TrainedShare end = squeeze_->share(terms);
    if (skipinit_gain_.defined()) end += terms.of(*this);
    const std::int64_t made = terms.block(at.numbers(out_));
    // What is multiplied with the block's own number, and the sum, which comes next.
    const std::int64_t opened = skipinit_gain_.defined() ? made : 0;
    cost.add_part(terms, end, cost.flows || end.trains ? opened + made : 0, 2 * made);
  }
  std::int64_t out() const { return out_; }

 private:
  /// Means of squares of two pixels; of what stands out at a side, of those that there are.
  Tensor pooled(const Tensor& x) const {
    if (stride_ == 1) return x;
    return at::avg_pool2d(x, {2, 2}, {stride_, stride_}, {0, 0}, /*ceil_mode=*/true,
                          /*count_include_pad=*/false);
  }

  Activation activation_;
  double alpha_, beta_, gain_;
  std::int64_t stride_, out_;
  ScaledConvolution shortcut_{nullptr};
  std::vector<ScaledConvolution> inside_;
  std::shared_ptr<SqueezeExcite> squeeze_;
  Tensor skipinit_gain_;
};

NfnetBody::NfnetBody(const NfnetOptions& o, const torch::TensorOptions& t) : options_(o) {
  stem_ = register_module("stem", std::make_shared<Stem>(o, t));
  torch::nn::ModuleList stages;
  std::int64_t in = o.stem;
  double variance = 1;
  for (std::size_t stage = 0; stage < o.depths.size(); ++stage) {
    torch::nn::ModuleList list;
    for (std::int64_t i = 0; i < o.depths[stage]; ++i) {
      const std::int64_t stride = i == 0 && stage > 0 ? 2 : 1;
      blocks_.push_back(
          std::make_shared<Block>(o, in, o.channels[stage], stride, 1 / std::sqrt(variance), t));
      list->push_back(blocks_.back());
      // A stage's first block begins anew, since its shortcut goes from what is of that spread.
      if (i == 0) variance = 1;
      variance += o.alpha * o.alpha;
      in = o.channels[stage];
    }
    stages->push_back(list);
  }
  register_module("stages", stages);
  final_ = register_module(
      "final_conv",
      ScaledConvolution(ScaledConvolutionShape{in, o.features, 1, 1, 1, o.epsilon}, t));
}

Tensor NfnetBody::map(const Tensor& pixels) {
  Tensor x = stem_->forward(pixels);
  for (const auto& block : blocks_) x = block->forward(x);
  return activate_scaled(final_->forward(x), options_.activation);
}

Tensor NfnetBody::vectors(const Tensor& pixels) { return map(pixels).mean({2, 3}); }

PictureStates NfnetBody::states_of(const Tensor& pixels) {
  const Tensor last = map(pixels);
  return {last, last.mean({2, 3})};
}

TowerCost NfnetBody::cost(const Pass& pass) const {
  const std::int64_t frames = pass.pictures.frames;
  const double side =
      frames > 0
          ? std::sqrt(static_cast<double>(pass.pictures.numbers) / static_cast<double>(3 * frames))
          : 0;
  MapShape at{frames, side, side};
  TowerCost cost;
  const std::int64_t pixels = pass.terms.floats(pass.pictures.numbers);
  stem_->add_cost(pass.terms, pixels, at, cost);
  for (const auto& block : blocks_) block->add_cost(pass.terms, pixels, at, cost);
  add_scaled_cost(pass.terms, final_, /*own_input=*/false, true, pixels, at, cost);
  return cost;
}

ModelGeometry NfnetBody::geometry() const {
  ModelGeometry g;
  g.vocab_size = 1, g.hidden_size = g.vision_hidden_size = width();
  g.vision_layers = g.num_hidden_layers = static_cast<std::int64_t>(blocks_.size());
  return g;
}

}  // namespace luthier
