// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/clipseg/segment_decoder.h"

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr TextLayerNames kSegmentLayer{
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
    "layer_norm1",      "mlp.fc1",          "mlp.fc2",          "layer_norm2"};

}  // namespace

class SegmentDecoder::Head : public torch::nn::Module {
 public:
  Head(const SegmentDecoderOptions& o, const torch::TensorOptions& t) {
    const std::int64_t width = o.layer.hidden, side = o.patch_size / 4;
    ConvolutionShape shape;
    shape.in = shape.out = width;
    shape.kernel = 3, shape.padding = 1, shape.bias = true;
    spread_ = register_module("0", Convolution(shape, t));
    first_ =
        register_module("2", std::make_shared<TransposedConvolution>(width, width / 2, side, t));
    second_ = register_module("4", std::make_shared<TransposedConvolution>(width / 2, 1, side, t));
  }
  /// x [rows, side, side, width] → [rows, side · square, side · square, 1].
  Tensor forward(const Tensor& x) const {
    const Tensor spread = at::relu(spread_->forward(x.permute({0, 3, 1, 2}))).permute({0, 2, 3, 1});
    return second_->forward(at::relu(first_->forward(spread)));
  }
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t places, std::int64_t width,
                std::int64_t side) const {
    const std::int64_t narrow = terms.block(places * width);
    const TrainedShare spread = terms.of(*spread_);
    // Its input in the channels' order, and what the relu gives, in the places'.
    cost.add_part(terms, spread, cost.flows || spread.trains ? 3 * narrow : 0, 2 * narrow);
    first_->add_cost(cost, terms, places);
    cost.stages.back().kept += terms.block(places * side * side * (width / 2));  // the relu's
    cost.stages.back().moments.front().left = cost.stages.back().kept;
    second_->add_cost(cost, terms, places * side * side);
  }

 private:
  Convolution spread_{nullptr};
  std::shared_ptr<TransposedConvolution> first_, second_;
};

SegmentDecoder::SegmentDecoder(const SegmentDecoderOptions& o, const torch::TensorOptions& t)
    : options(o) {
  const std::int64_t width = o.layer.hidden;
  film_mul_ = register_module("film_mul", Linear(o.projection_dim, width, true, t));
  film_add_ = register_module("film_add", Linear(o.projection_dim, width, true, t));
  if (o.complex_head)
    complex_ = register_module("transposed_convolution", std::make_shared<Head>(o, t));
  else
    plain_ = register_module("transposed_convolution",
                             std::make_shared<TransposedConvolution>(width, 1, o.patch_size, t));
  torch::nn::ModuleList reduces, layers;
  for (std::int64_t i = 0; i < o.depth(); ++i) {
    reduces_.push_back(Linear(o.tower_width, width, true, t));
    reduces->push_back(reduces_.back());
    layers_.push_back(std::make_shared<TextLayer>(o.layer, kSegmentLayer, t));
    layers->push_back(layers_.back());
  }
  register_module("reduces", reduces);
  register_module("layers", layers);
}

Tensor SegmentDecoder::forward(const std::vector<Tensor>& activations,
                               const Tensor& prompts) const {
  const std::int64_t rows = prompts.size(0), tokens = activations.front().size(1),
                     width = options.layer.hidden;
  const RowLayout layout(std::vector<std::int64_t>(static_cast<std::size_t>(rows), tokens));
  const LayerFrame frame{layout};
  Tensor x;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Tensor narrow = reduces_[i]->forward(activations[layers_.size() - 1 - i]);
    x = x.defined() ? narrow + x : narrow;  // [rows, tokens, width]
    if (static_cast<std::int64_t>(i) == options.conditional_layer)
      x = film_mul_->forward(prompts).unsqueeze(1) * x + film_add_->forward(prompts).unsqueeze(1);
    x = layers_[i]->forward(x.reshape({rows * tokens, width}), frame).view({rows, tokens, width});
  }
  std::int64_t side = 1;
  while (side * side < tokens - 1) ++side;
  const Tensor map = x.slice(1, 1).reshape({rows, side, side, width});
  return (complex_ ? complex_->forward(map) : plain_->forward(map)).squeeze(3);
}

void SegmentDecoder::add_cost(TowerCost& cost, const StepTerms& asked, std::int64_t rows,
                              std::int64_t side) const {
  StepTerms terms = asked;
  terms.checkpointing = false;
  const std::int64_t tokens = side * side + 1, all = rows * tokens, width = options.layer.hidden;
  const std::int64_t state = terms.block(all * width);
  const RowsShape shape =
      rows_shape(std::vector<std::int64_t>(static_cast<std::size_t>(rows), tokens), false);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const ProductsCost reduced = products_cost(terms, {reduces_[i]}, all);
    // A row's states lie apart from the next one's, and are copied for the product.
    const std::int64_t copied = rows > 1 ? reduced.input : 0;
    cost.add_part(terms, terms.of(*reduces_[i]), copied + reduced.numbers, state);
    if (static_cast<std::int64_t>(i) == options.conditional_layer) {
      const ProductsCost prompts = products_cost(terms, {film_mul_, film_add_}, rows);
      TrainedShare film = terms.of(*film_mul_);
      film += terms.of(*film_add_);
      cost.add_part(terms, film, prompts.input + prompts.numbers + (film.trains ? state : 0),
                    2 * state);
    }
    cost.add_layer(terms, layers_[i]->cost(terms, shape, all, cost.flows));
  }
  const std::int64_t places = rows * side * side;
  if (complex_)
    complex_->add_cost(cost, terms, places, width, options.patch_size / 4);
  else
    plain_->add_cost(cost, terms, places);
}

}  // namespace luthier
