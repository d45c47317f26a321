// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/eve/patch_aligner.h"

#include <algorithm>
#include <cmath>

#include "engine/nn/module_cost.h"

namespace luthier::eve {

using torch::Tensor;

namespace {

constexpr double kAlignerEpsilon = 1e-5;  // torch's own

class AlignerPart : public torch::nn::Module {};

/// [squares, hidden] → [patches, hidden]: the mean of each patch's squares.
Tensor pooled_squares(const Tensor& states, const std::vector<Squares>& pictures,
                      std::int64_t side) {
  std::vector<Tensor> pooled;
  std::int64_t begin = 0;
  for (const Squares& picture : pictures) {
    const Tensor own = states.slice(0, begin, begin + picture.count());
    begin += picture.count();
    const std::int64_t each = squares_of_patch(picture, side);
    pooled.push_back(each == 1 ? own
                               : own.view({picture.rows / each, each, picture.columns / each, each,
                                           states.size(1)})
                                     .mean({1, 3})
                                     .flatten(0, 1));
  }
  return pooled.size() == 1 ? pooled.front() : at::cat(pooled);
}

}  // namespace

std::int64_t squares_of_patch(const Squares& picture, std::int64_t side) {
  const std::int64_t longer = std::max(picture.rows, picture.columns), each = longer / side;
  TORCH_CHECK(longer % side == 0 && picture.rows % each == 0 && picture.columns % each == 0,
              "a picture's squares do not divide into the teacher's patches");
  return each;
}

PatchAligner::PatchAligner(const AlignerSizes& o, std::int64_t layers, std::int64_t hidden,
                           const torch::TensorOptions& t)
    : sizes_(o) {
  torch::nn::ModuleList list;
  for (std::int64_t layer = layers; layer >= 0; layer -= o.layer_rate) {
    layers_.insert(layers_.begin(), layer);
    const auto part = std::make_shared<AlignerPart>();
    norms_.push_back(part->register_module("0", LayerNorm(hidden, kAlignerEpsilon, t)));
    products_.push_back(part->register_module("1", Linear(hidden, o.width, /*bias=*/false, t)));
    list->push_back(part);
  }
  register_module("norm_layer", list);
  input_layer_ = register_module("input_layer", Linear(hidden, o.width, /*bias=*/true, t));
  output_layer_ = register_module("output_layer", Linear(o.width, o.width, /*bias=*/true, t));
}

Tensor PatchAligner::forward(const std::vector<Tensor>& states,
                             const std::vector<Squares>& pictures, std::int64_t side) {
  TORCH_CHECK(states.size() == layers_.size(), "the aligning layers look at other states");
  const std::int64_t size = sizes_.width / kHeads;
  std::vector<Tensor> made;
  Tensor last;
  for (std::size_t i = 0; i < norms_.size(); ++i) {  // from the last layer down
    const Tensor own = pooled_squares(states[states.size() - 1 - i], pictures, side);
    if (i == 0) last = own;
    made.push_back(products_[i](norms_[i](own)).view({-1, kHeads, size}));
  }
  const Tensor query = made.front().unsqueeze(1);  // [patches, 1, heads, size]
  const Tensor seen = at::stack(std::vector<Tensor>(made.begin() + 1, made.end()), 1);
  const Tensor shares =
      ((query * seen).sum(-1) / std::sqrt(static_cast<double>(sizes_.width))).softmax(1);
  const Tensor mixed = (shares.unsqueeze(-1) * seen).sum(1).flatten(1);
  return input_layer_(last) + output_layer_(mixed);
}

Stage PatchAligner::cost(const StepTerms& terms, std::int64_t squares) const {
  const auto others = static_cast<std::int64_t>(norms_.size()) - 1;
  Stage stage;
  for (std::size_t i = 0; i < norms_.size(); ++i) {
    const ProductsCost product = products_cost(terms, {products_[i]}, squares);
    stage.kept += norm_kept(terms, norms_[i], squares) + product.input + product.numbers;
  }
  stage.kept += products_cost(terms, {input_layer_}, squares).numbers +
                products_cost(terms, {output_layer_}, squares).input +
                products_cost(terms, {output_layer_}, squares).numbers;
  // Queries, what they look at, and the shares of that; the cosine's two sides.
  stage.kept += terms.block(squares * sizes_.width) + terms.block(others * squares * sizes_.width) +
                terms.block(others * squares * kHeads) + 2 * terms.floats(squares * sizes_.width);
  stage.moments = {{stage.kept, 2 * terms.block(others * squares * sizes_.width)}};
  stage.gradients = trained_within(terms, *this).parameters * terms.gradient_element;
  return stage;
}

}  // namespace luthier::eve
