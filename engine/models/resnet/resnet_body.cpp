// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/resnet/resnet_body.h"

#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/pictures/config_lists.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr double kEpsilon = 1e-5, kMomentum = 0.1;  // torch's

class ResnetPart : public torch::nn::Module {};

/// A convolution without a bias, its norm, and what follows.
class ResnetConvolution : public torch::nn::Module {
 public:
  ResnetConvolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                    std::optional<Activation> activation, const torch::TensorOptions& t)
      : activation_(activation) {
    ConvolutionShape shape{in, out, kernel, stride};
    shape.padding = kernel / 2, shape.by_fan_out = true;
    convolution_ = register_module("convolution", Convolution(shape, t));
    norm_ = register_module("normalization", BatchNorm(out, kEpsilon, kMomentum, t));
  }
  Tensor forward(const Tensor& x) { return convolve(convolution_, norm_, activation_, x); }
  void add_cost(const StepTerms& terms, MapShape& at, TowerCost& cost) const {
    add_convolution_cost(terms, convolution_, norm_, activation_, at, cost);
  }

 private:
  std::optional<Activation> activation_;
  Convolution convolution_{nullptr};
  BatchNorm norm_{nullptr};
};

}  // namespace

class ResnetBody::Stem : public ResnetConvolution {
 public:
  using ResnetConvolution::ResnetConvolution;
};

class ResnetBody::Layer : public torch::nn::Module {
 public:
  Layer(const ResnetOptions& o, std::int64_t in, std::int64_t out, std::int64_t stride,
        const torch::TensorOptions& t)
      : activation_(o.hidden_act) {
    // The layers inside act by relu whatever the configuration says.
    constexpr Activation kInside = Activation::Relu;
    torch::nn::ModuleList list;
    const auto add = [&](std::int64_t from, std::int64_t to, std::int64_t kernel, std::int64_t step,
                         std::optional<Activation> activation) {
      inside_.push_back(std::make_shared<ResnetConvolution>(from, to, kernel, step, activation, t));
      list->push_back(inside_.back());
    };
    if (in != out || stride != 1)
      shortcut_ = register_module(
          "shortcut", std::make_shared<ResnetConvolution>(in, out, 1, stride, std::nullopt, t));
    if (o.bottleneck) {
      const std::int64_t narrow = out / 4, first = o.downsample_in_bottleneck ? stride : 1;
      add(in, narrow, 1, first, kInside);
      add(narrow, narrow, 3, stride / first, kInside);
      add(narrow, out, 1, 1, std::nullopt);
    } else {
      add(in, out, 3, stride, kInside);
      add(out, out, 3, 1, std::nullopt);
    }
    register_module("layer", list);
  }
  Tensor forward(const Tensor& x) {
    Tensor made = x;
    for (const auto& each : inside_) made = each->forward(made);
    return activate_map(made + (shortcut_ ? shortcut_->forward(x) : x), activation_);
  }
  void add_cost(const StepTerms& terms, MapShape& at, std::int64_t out, TowerCost& cost) const {
    MapShape side = at;
    for (const auto& each : inside_) each->add_cost(terms, at, cost);
    if (shortcut_) shortcut_->add_cost(terms, side, cost);
    const std::int64_t sum = terms.block(at.numbers(out));
    cost.add_part(terms, {}, cost.flows ? sum : 0, 2 * sum);
  }

 private:
  Activation activation_;
  std::vector<std::shared_ptr<ResnetConvolution>> inside_;
  std::shared_ptr<ResnetConvolution> shortcut_;
};

ResnetBody::ResnetBody(const ResnetOptions& o, const torch::TensorOptions& t) : options_(o) {
  stem_ = register_module("embedder", std::make_shared<ResnetPart>())
              ->register_module("embedder",
                                std::make_shared<Stem>(3, o.embedding_size, 7, 2, o.hidden_act, t));
  torch::nn::ModuleList stages;
  std::int64_t width = o.embedding_size;
  for (std::size_t stage = 0; stage < o.depths.size(); ++stage) {
    torch::nn::ModuleList layers;
    for (std::int64_t i = 0; i < o.depths[stage]; ++i) {
      const bool steps = i == 0 && (stage > 0 || o.downsample_in_first_stage);
      layers_.emplace_back(
          std::make_shared<Layer>(o, width, o.hidden_sizes[stage], steps ? 2 : 1, t),
          o.hidden_sizes[stage]);
      width = o.hidden_sizes[stage];
      layers->push_back(layers_.back().first);
    }
    const auto part = std::make_shared<ResnetPart>();
    part->register_module("layers", layers);
    stages->push_back(part);
  }
  register_module("encoder", std::make_shared<ResnetPart>())->register_module("stages", stages);
}

Tensor ResnetBody::map(const Tensor& pixels) {
  const auto type = stem_->parameters().front().scalar_type();
  Tensor x = at::max_pool2d(stem_->forward(pixels.to(type)), {3, 3}, {2, 2}, {1, 1});
  for (const auto& [layer, width] : layers_) x = layer->forward(x);
  return x;
}

std::int64_t map_side(const ResnetOptions& options, std::int64_t pixels) {
  const auto halved = [](std::int64_t side) { return (side + 1) / 2; };
  std::int64_t side = halved(halved(pixels));
  for (std::size_t stage = 0; stage < options.depths.size(); ++stage)
    if (stage > 0 || options.downsample_in_first_stage) side = halved(side);
  return side;
}

TowerCost ResnetBody::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::int64_t frames = pass.pictures.frames;
  const double side =
      frames > 0
          ? std::sqrt(static_cast<double>(pass.pictures.numbers) / static_cast<double>(3 * frames))
          : 0;
  MapShape at{frames, side, side};
  TowerCost cost;
  stem_->add_cost(terms, at, cost);
  at = at.after(2);
  const std::int64_t pooled = at.numbers(options_.embedding_size);
  // Where each maximum stood, in whole numbers.
  const std::int64_t kept = cost.flows ? terms.block(pooled) + terms.block(pooled, 8) : 0;
  cost.add_part(terms, {}, kept, terms.block(pooled));
  for (const auto& [layer, width] : layers_) layer->add_cost(terms, at, width, cost);
  return cost;
}

ModelGeometry ResnetBody::geometry() const {
  ModelGeometry g;
  g.vocab_size = 1, g.hidden_size = g.vision_hidden_size = width();
  g.vision_layers = g.num_hidden_layers = static_cast<std::int64_t>(layers_.size());
  return g;
}

Result<ResnetOptions> read_resnet_options(const Json& config, const std::string& where) {
  ResnetOptions o;
  std::int64_t channels = 3;
  LUTHIER_CHECK(read_in_range(config, "num_channels", where, 3, 3, channels));
  LUTHIER_CHECK(read_in_range(config, "embedding_size", where, 1, 1 << 14, o.embedding_size));
  LUTHIER_CHECK(read_list_in_range(config, "hidden_sizes", where, 16, 1, 1 << 14, o.hidden_sizes));
  LUTHIER_CHECK(read_list_in_range(config, "depths", where, 16, 1, 512, o.depths));
  if (o.depths.empty() || o.depths.size() != o.hidden_sizes.size())
    return input_error("There are not as many depths as hidden_sizes.", where + ": depths");
  LUTHIER_TRY(const std::string type, json_string(config, "layer_type", where, "bottleneck"));
  if (type != "basic" && type != "bottleneck")
    return input_error("The layer_type \"" + type + "\" is not known.", where + ": layer_type",
                       "It is basic or bottleneck.");
  o.bottleneck = type == "bottleneck";
  for (const std::int64_t size : o.hidden_sizes)
    if (o.bottleneck && size < 4)
      return input_error("A bottleneck's hidden size must be 4 or more.", where + ": hidden_sizes");
  LUTHIER_TRY(const std::string act, json_string(config, "hidden_act", where, "relu"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": hidden_act"));
  LUTHIER_TRY(o.downsample_in_first_stage,
              json_bool(config, "downsample_in_first_stage", where, false));
  LUTHIER_TRY(o.downsample_in_bottleneck,
              json_bool(config, "downsample_in_bottleneck", where, false));
  return o;
}

}  // namespace luthier
