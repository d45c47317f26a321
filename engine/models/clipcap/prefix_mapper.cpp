// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/clipcap/prefix_mapper.h"

#include "engine/models/blocks/relu_cost.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier::clipcap {

using torch::Tensor;

namespace {

constexpr double kEpsilon = 1e-5;  // torch's own

class Part : public torch::nn::Module {};

/// A product as a stage, of so many rows; `made`: what stands behind it and keeps its result.
Stage product_stage(const StepTerms& terms, const Linear& linear, std::int64_t rows, bool& flows,
                    bool made) {
  const ProductsCost product = products_cost(terms, {linear}, rows);
  flows = flows || product.trains;
  Stage stage;
  const std::int64_t result = terms.block(rows * linear->out_features());
  stage.kept = product.input + product.numbers + (made && flows ? result : 0);
  stage.moments = {{stage.kept, product.work + (flows ? result : 0)}};
  stage.gradients = terms.of(*linear).parameters * terms.gradient_element;
  return stage;
}

class MlpMapper : public PrefixMapper {
 public:
  MlpMapper(const MapperOptions& o, const torch::TensorOptions& t) : width_(o.width) {
    const std::int64_t whole = o.width * o.prefix_length, between = whole / 2;
    const auto list = register_module("model", std::make_shared<Part>());
    first_ = list->register_module("0", Linear(o.vector, between, /*bias=*/true, t));
    second_ = list->register_module("2", Linear(between, whole, /*bias=*/true, t));
  }
  Tensor forward(const Tensor& vectors) override {
    return second_(at::tanh(first_(vectors))).view({-1, width_});
  }
  void add_cost(const StepTerms& terms, std::int64_t pictures, bool& flows,
                std::vector<Stage>& stages) const override {
    stages.push_back(product_stage(terms, first_, pictures, flows, /*made=*/true));
    stages.push_back(product_stage(terms, second_, pictures, flows, /*made=*/false));
    // The tanh keeps what it gives, which the second product takes.
    if (terms.of(*second_).trains && flows)
      stages.back().kept -= terms.block(pictures * second_->in_features());
  }

 private:
  std::int64_t width_;
  Linear first_{nullptr}, second_{nullptr};
};

/// x + attention(norm(x)), then x + products(norm(x)).
class MapperLayer : public torch::nn::Module {
 public:
  MapperLayer(const MapperOptions& o, const torch::TensorOptions& t)
      : heads_(o.heads), width_(o.width) {
    norm1_ = register_module("norm1", LayerNorm(o.width, kEpsilon, t));
    const auto attention = register_module("attn", std::make_shared<Part>());
    const auto made = neighbouring_linears(o.width, {o.width, 2 * o.width}, /*bias=*/false, t);
    queries_ = attention->register_module("to_queries", made[0]);
    keys_values_ = attention->register_module("to_keys_values", made[1]);
    project_ = attention->register_module("project", Linear(o.width, o.width, /*bias=*/true, t));
    norm2_ = register_module("norm2", LayerNorm(o.width, kEpsilon, t));
    const auto mlp = register_module("mlp", std::make_shared<Part>());
    wide_ = mlp->register_module("fc1", Linear(o.width, 2 * o.width, /*bias=*/true, t));
    narrow_ = mlp->register_module("fc2", Linear(2 * o.width, o.width, /*bias=*/true, t));
  }
  /// x [pictures, tokens, width] → the same.
  Tensor forward(const Tensor& x) {
    const auto made = side_by_side(norm1_(x), {queries_.get(), keys_values_.get()});
    const auto seen = made[1].split(width_, -1);
    const Tensor attended = x + project_(attend_frames(made[0], seen[0], seen[1], heads_));
    return attended + narrow_(activate(wide_(norm2_(attended)), Activation::Relu));
  }
  LayerCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const {
    TowerLayerParts parts;
    parts.share = trained_within(terms, *this);
    parts.flows = flows;
    parts.state = terms.block(rows * width_);
    parts.norm_before = norm_kept(terms, norm1_, rows);
    parts.norm_after = norm_kept(terms, norm2_, rows);
    const AttentionCost core =
        attention_cost(terms, unmoved_rows(terms, rows), heads_, heads_, width_ / heads_);
    parts.attention = attention_branch_cost(terms, {queries_, keys_values_}, project_, core, 0,
                                            rows, flows || terms.of(*norm1_).trains);
    parts.mlp = mlp_cost(terms, {wide_}, narrow_, rows,
                         parts.attention.passes || terms.of(*norm2_).trains || flows);
    keep_once(parts.mlp, terms, narrow_, rows);
    return tower_layer_cost(parts);
  }

 private:
  std::int64_t heads_, width_;
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
  Linear queries_{nullptr}, keys_values_{nullptr}, project_{nullptr}, wide_{nullptr},
      narrow_{nullptr};
};

class TransformerMapper : public PrefixMapper {
 public:
  TransformerMapper(const MapperOptions& o, const torch::TensorOptions& t) : options_(o) {
    add_parameter("prefix_const", prefix_const_, {o.prefix_length, o.width}, t);
    linear_ =
        register_module("linear", Linear(o.vector, o.clip_length * o.width, /*bias=*/true, t));
    torch::nn::ModuleList list;
    for (std::int64_t i = 0; i < o.layers; ++i) {
      layers_.push_back(std::make_shared<MapperLayer>(o, t));
      list->push_back(layers_.back());
    }
    register_module("transformer", std::make_shared<Part>())->register_module("layers", list);
  }
  Tensor forward(const Tensor& vectors) override {
    const Tensor made = linear_(vectors).view({-1, options_.clip_length, options_.width});
    Tensor x = at::cat({made, prefix_const_.unsqueeze(0).expand({made.size(0), -1, -1})}, 1);
    for (const auto& layer : layers_) x = layer->forward(x);
    return x.slice(1, options_.clip_length).reshape({-1, options_.width});
  }
  /// The authors draw the learned tokens from N(0, 1).
  Tensor first_value(const std::string&, const at::Generator& generator) const override {
    return torch::empty(prefix_const_.sizes(), torch::kFloat32).normal_(0, 1, generator);
  }
  void add_cost(const StepTerms& terms, std::int64_t pictures, bool& flows,
                std::vector<Stage>& stages) const override {
    const std::int64_t rows = pictures * (options_.clip_length + options_.prefix_length);
    const TrainedShare own = terms.of(*this);
    stages.push_back(product_stage(terms, linear_, pictures, flows, /*made=*/false));
    stages.back().gradients += own.parameters * terms.gradient_element;
    flows = flows || own.trains;
    for (const auto& layer : layers_) {
      const LayerCost cost = layer->cost(terms, rows, flows);
      flows = flows || cost.share.trains;
      stages.push_back(kept_stage(terms, cost));
    }
  }

 private:
  const MapperOptions options_;
  Tensor prefix_const_;
  Linear linear_{nullptr};
  std::vector<std::shared_ptr<MapperLayer>> layers_;
};

}  // namespace

std::shared_ptr<PrefixMapper> make_mapper(const MapperOptions& options,
                                          const torch::TensorOptions& tensors) {
  if (options.mapping == Mapping::Mlp) return std::make_shared<MlpMapper>(options, tensors);
  return std::make_shared<TransformerMapper>(options, tensors);
}

}  // namespace luthier::clipcap
