// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/efficientnet/efficientnet_body.h"

#include <algorithm>
#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/pictures/config_lists.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::int64_t kStemChannels = 32;  // before width_coefficient

class EfficientnetPart : public torch::nn::Module {};

struct BlockShape {
  std::int64_t in = 0, out = 0, kernel = 3, stride = 1, ratio = 1;
  bool first = false;          ///< of its stage: nothing goes around it
  bool uneven_padding = true;  ///< of a step of two: one less above and left
  std::int64_t wide() const { return in * ratio; }
};

}  // namespace

std::int64_t EfficientnetOptions::filters(std::int64_t channels) const {
  const double wanted = static_cast<double>(channels) * width_coefficient;
  const auto divisor = static_cast<double>(depth_divisor);
  const auto half = static_cast<std::int64_t>(wanted + divisor / 2);
  std::int64_t made = std::max(depth_divisor, half / depth_divisor * depth_divisor);
  if (static_cast<double>(made) < 0.9 * wanted) made += depth_divisor;
  return made;
}

std::int64_t EfficientnetOptions::repeats(std::size_t stage) const {
  return static_cast<std::int64_t>(
      std::ceil(depth_coefficient * static_cast<double>(num_block_repeats[stage])));
}

std::int64_t EfficientnetOptions::smallest_frame() const {
  std::int64_t side = 2;  // of the stem
  for (const std::int64_t stride : strides)
    if (stride == 2 && side < 1 << 13) side *= 2;
  return side;
}

class EfficientnetBody::Stem : public torch::nn::Module {
 public:
  Stem(const EfficientnetOptions& o, const torch::TensorOptions& t) : activation_(o.hidden_act) {
    const std::int64_t width = o.filters(kStemChannels);
    convolution_ = register_module("convolution", Convolution(ConvolutionShape{3, width, 3, 2}, t));
    norm_ =
        register_module("batchnorm", BatchNorm(width, o.batch_norm_eps, o.batch_norm_momentum, t));
  }
  Tensor forward(const Tensor& pixels) {
    const Tensor padded =
        at::constant_pad_nd(pixels.to(convolution_->weight.scalar_type()), {0, 1, 0, 1}, 0);
    return convolve(convolution_, norm_, activation_, padded);
  }
  void add_cost(const StepTerms& terms, MapShape& at, TowerCost& cost) const {
    add_convolution_cost(terms, convolution_, norm_, activation_, at, cost);
  }

 private:
  Activation activation_;
  Convolution convolution_{nullptr};
  BatchNorm norm_{nullptr};
};

class EfficientnetBody::Block : public torch::nn::Module {
 public:
  Block(const EfficientnetOptions& o, const BlockShape& shape, const torch::TensorOptions& t)
      : shape_(shape), activation_(o.hidden_act) {
    const auto part = [&](const char* name) {
      return register_module(name, std::make_shared<EfficientnetPart>());
    };
    const std::int64_t wide = shape.wide();
    if (shape.ratio != 1) {
      const auto expansion = part("expansion");
      expand_ = expansion->register_module("expand_conv",
                                           Convolution(ConvolutionShape{shape.in, wide}, t));
      constexpr double kTorchMomentum = 0.1;  // the configuration's is not asked for here
      expand_norm_ = expansion->register_module(
          "expand_bn", BatchNorm(wide, o.batch_norm_eps, kTorchMomentum, t));
    }
    ConvolutionShape depthwise{wide, wide, shape.kernel, shape.stride, wide};
    if (shape.stride != 2) depthwise.padding = shape.kernel / 2;
    const auto middle = part("depthwise_conv");
    depthwise_ = middle->register_module("depthwise_conv", Convolution(depthwise, t));
    depthwise_norm_ = middle->register_module(
        "depthwise_norm", BatchNorm(wide, o.batch_norm_eps, o.batch_norm_momentum, t));
    squeezed_ = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(static_cast<double>(shape.in) * o.squeeze_expansion_ratio));
    const auto squeeze = part("squeeze_excite");
    ConvolutionShape down{wide, squeezed_}, up{squeezed_, wide};
    down.bias = up.bias = true;
    reduce_ = squeeze->register_module("reduce", Convolution(down, t));
    excite_ = squeeze->register_module("expand", Convolution(up, t));
    const auto projection = part("projection");
    project_ = projection->register_module("project_conv",
                                           Convolution(ConvolutionShape{wide, shape.out}, t));
    project_norm_ = projection->register_module(
        "project_bn", BatchNorm(shape.out, o.batch_norm_eps, o.batch_norm_momentum, t));
  }

  Tensor forward(const Tensor& x) {
    Tensor wide = expand_ ? convolve(expand_, expand_norm_, activation_, x) : x;
    if (shape_.stride == 2) {
      const std::int64_t pad = shape_.kernel / 2, before = shape_.uneven_padding ? pad - 1 : pad;
      wide = at::constant_pad_nd(wide, {before, pad, before, pad}, 0);
    }
    wide = convolve(depthwise_, depthwise_norm_, activation_, wide);
    const Tensor means = wide.mean({2, 3}, /*keepdim=*/true);
    const Tensor open =
        at::sigmoid(excite_->forward(activate_map(reduce_->forward(means), activation_)));
    const Tensor narrow = convolve(project_, project_norm_, std::nullopt, wide * open);
    return shape_.stride == 1 && !shape_.first ? narrow + x : narrow;
  }

  void add_cost(const StepTerms& terms, MapShape& at, TowerCost& cost) const {
    if (expand_) add_convolution_cost(terms, expand_, expand_norm_, activation_, at, cost);
    if (shape_.stride == 2) {  // the padded picture
      const std::int64_t padded = terms.block(at.numbers(shape_.wide()));
      cost.add_part(terms, {}, cost.flows || terms.of(*depthwise_).trains ? padded : 0, padded);
    }
    add_convolution_cost(terms, depthwise_, depthwise_norm_, activation_, at, cost);
    TrainedShare squeeze = terms.of(*reduce_);
    squeeze += terms.of(*excite_);
    const std::int64_t wide = terms.block(at.numbers(shape_.wide()));
    const bool kept = cost.flows || squeeze.trains || terms.of(*project_).trains;
    cost.add_part(terms, squeeze, kept ? wide : 0, 2 * wide);
    add_convolution_cost(terms, project_, project_norm_, std::nullopt, at, cost);
    const std::int64_t made = terms.block(at.numbers(shape_.out));
    cost.add_part(terms, {}, cost.flows ? made : 0, made);
  }

 private:
  BlockShape shape_;
  Activation activation_;
  std::int64_t squeezed_ = 1;
  Convolution expand_{nullptr}, depthwise_{nullptr}, reduce_{nullptr}, excite_{nullptr},
      project_{nullptr};
  BatchNorm expand_norm_{nullptr}, depthwise_norm_{nullptr}, project_norm_{nullptr};
};

EfficientnetBody::EfficientnetBody(const EfficientnetOptions& o, const torch::TensorOptions& t)
    : options(o) {
  stem_ = register_module("embeddings", std::make_shared<Stem>(o, t));
  const auto encoder = register_module("encoder", std::make_shared<EfficientnetPart>());
  torch::nn::ModuleList list;
  for (std::size_t stage = 0; stage < o.in_channels.size(); ++stage) {
    BlockShape shape{o.filters(o.in_channels[stage]), o.filters(o.out_channels[stage]),
                     o.kernel_sizes[stage], o.strides[stage], o.expand_ratios[stage]};
    for (std::int64_t i = 0; i < o.repeats(stage); ++i) {
      shape.first = i == 0;
      if (i > 0) shape.stride = 1, shape.in = shape.out;
      const auto number = static_cast<std::int64_t>(blocks_.size());
      shape.uneven_padding = std::find(o.depthwise_padding.begin(), o.depthwise_padding.end(),
                                       number) == o.depthwise_padding.end();
      blocks_.push_back(std::make_shared<Block>(o, shape, t));
      list->push_back(blocks_.back());
    }
    width_ = shape.out;
  }
  encoder->register_module("blocks", list);
  if (!o.top) return;
  const std::int64_t last = o.filters(1280);
  top_convolution_ =
      encoder->register_module("top_conv", Convolution(ConvolutionShape{width_, last}, t));
  top_norm_ = encoder->register_module("top_bn",
                                       BatchNorm(last, o.batch_norm_eps, o.batch_norm_momentum, t));
  width_ = last;
}

Tensor EfficientnetBody::map(const Tensor& pixels) {
  Tensor x = stem_->forward(pixels);
  for (const auto& block : blocks_) x = block->forward(x);
  if (top_convolution_) x = convolve(top_convolution_, top_norm_, options.hidden_act, x);
  return x;
}

Tensor EfficientnetBody::vectors(const Tensor& pixels) { return states_of(pixels).pooled; }

PictureStates EfficientnetBody::states_of(const Tensor& pixels) {
  const Tensor last = map(pixels);
  return {last, options.max_pooling ? last.amax({2, 3}) : last.mean({2, 3})};
}

TowerCost EfficientnetBody::cost(const Pass& pass) const {
  const std::int64_t frames = pass.pictures.frames;
  const double side =
      frames > 0
          ? std::sqrt(static_cast<double>(pass.pictures.numbers) / static_cast<double>(3 * frames))
          : 0;
  MapShape at{frames, side, side};
  TowerCost cost;
  stem_->add_cost(pass.terms, at, cost);
  for (const auto& block : blocks_) block->add_cost(pass.terms, at, cost);
  if (top_convolution_)
    add_convolution_cost(pass.terms, top_convolution_, top_norm_, options.hidden_act, at, cost);
  return cost;
}

ModelGeometry EfficientnetBody::geometry() const {
  ModelGeometry g;
  g.vocab_size = 1, g.hidden_size = g.vision_hidden_size = width_;
  g.vision_layers = g.num_hidden_layers = static_cast<std::int64_t>(blocks_.size());
  return g;
}

Status read_efficientnet_options(const Json& config, const std::string& where,
                                 EfficientnetOptions& o) {
  std::int64_t channels = 3;
  LUTHIER_CHECK(read_in_range(config, "num_channels", where, 3, 3, channels));
  LUTHIER_CHECK(read_in_range(config, "depth_divisor", where, 1, 1 << 10, o.depth_divisor));
  LUTHIER_CHECK(read_in_range(config, "hidden_dim", where, 1, 1 << 16, o.hidden_dim));
  for (const auto& [key, value] : {std::pair{"width_coefficient", &o.width_coefficient},
                                   {"depth_coefficient", &o.depth_coefficient},
                                   {"squeeze_expansion_ratio", &o.squeeze_expansion_ratio}}) {
    LUTHIER_TRY(*value, json_number(config, key, where, *value));
    if (!(*value > 0) || *value > 64)
      return input_error("A number above 0 and at most 64 is expected.", where + ": " + key);
  }
  struct List {
    const char* key;
    std::vector<std::int64_t>* values;
    std::int64_t low, high;
  };
  const List lists[] = {{"kernel_sizes", &o.kernel_sizes, 1, 31},
                        {"in_channels", &o.in_channels, 1, 1 << 12},
                        {"out_channels", &o.out_channels, 1, 1 << 12},
                        {"strides", &o.strides, 1, 2},
                        {"num_block_repeats", &o.num_block_repeats, 1, 64},
                        {"expand_ratios", &o.expand_ratios, 1, 64}};
  for (const List& list : lists)
    LUTHIER_CHECK(
        read_list_in_range(config, list.key, where, 64, list.low, list.high, *list.values));
  LUTHIER_CHECK(read_list_in_range(config, "depthwise_padding", where, 4096, 0, 1 << 16,
                                   o.depthwise_padding));
  for (const List& list : lists) {
    if (list.values->size() == o.in_channels.size() && !list.values->empty()) continue;
    return input_error("There are not as many numbers as in_channels.", where + ": " + list.key);
  }
  for (std::size_t stage = 0; stage < o.in_channels.size(); ++stage) {
    const std::int64_t made = o.filters(stage == 0 ? kStemChannels : o.out_channels[stage - 1]);
    if (o.filters(o.in_channels[stage]) == made) continue;
    return input_error("Stage " + std::to_string(stage + 1) + " takes " +
                           std::to_string(o.filters(o.in_channels[stage])) +
                           " channels, and what comes before it gives " + std::to_string(made) +
                           ".",
                       where + ": in_channels");
  }
  for (const std::int64_t size : o.kernel_sizes)
    if (size % 2 == 0) return input_error("A kernel has an odd size.", where + ": kernel_sizes");
  LUTHIER_TRY(const std::string act, json_string(config, "hidden_act", where, "swish"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": hidden_act"));
  LUTHIER_TRY(const std::string pooling, json_string(config, "pooling_type", where, "mean"));
  if (pooling != "mean" && pooling != "max")
    return input_error("The pooling_type \"" + pooling + "\" is not known.",
                       where + ": pooling_type", "It is mean or max.");
  o.max_pooling = pooling == "max";
  LUTHIER_TRY(o.batch_norm_eps, json_number(config, "batch_norm_eps", where, o.batch_norm_eps));
  LUTHIER_TRY(o.batch_norm_momentum,
              json_number(config, "batch_norm_momentum", where, o.batch_norm_momentum));
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  if (o.top && o.filters(1280) != o.hidden_dim)
    return input_error("The last convolution gives " + std::to_string(o.filters(1280)) +
                           " channels, hidden_dim is " + std::to_string(o.hidden_dim) + ".",
                       where + ": hidden_dim");
  return {};
}

}  // namespace luthier
