// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/glm4v/wide_merger.h"

#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

BlockConvolution::BlockConvolution(std::int64_t width, std::int64_t out, std::int64_t side,
                                   const torch::TensorOptions& t)
    : width_(width), block_(side * side) {
  add_parameter("weight", weight_, {out, width, side, side}, t);
  add_parameter("bias", bias_, {out}, t);
}

Tensor BlockConvolution::forward(const Tensor& patches) const {
  return product(patches.view({-1, block_, width_}).transpose(1, 2).reshape({-1, width_ * block_}));
}

WideMerger::WideMerger(std::int64_t width, std::int64_t intermediate, Activation activation,
                       const torch::TensorOptions& t)
    : activation_(activation) {
  constexpr double kEpsilon = 1e-5;  // torch's own
  proj_ = register_module("proj", Linear(width, width, false, t));
  norm_ = register_module("post_projection_norm", LayerNorm(width, kEpsilon, t));
  const auto made = neighbouring_linears(width, {intermediate, intermediate}, false, t);
  gate_proj_ = register_module("gate_proj", made[0]);
  up_proj_ = register_module("up_proj", made[1]);
  down_proj_ = register_module("down_proj", Linear(intermediate, width, false, t));
}

Tensor WideMerger::forward(const Tensor& features) {
  const Tensor x = activate(norm_(proj_(features)), Activation::Gelu);
  const auto made = side_by_side(x, {gate_proj_.get(), up_proj_.get()});
  return down_proj_(gated(made[0], made[1], activation_));
}

ProjectorCost WideMerger::cost(const StepTerms& terms, std::int64_t features) const {
  const ProductsCost first = products_cost(terms, {proj_}, features);
  const MlpCost mlp = mlp_cost(terms, {gate_proj_, up_proj_}, down_proj_, features, true);
  const std::int64_t activated = terms.block(features * proj_->out_features());
  return {trained_within(terms, *this).trains,
          first.input + first.numbers + norm_kept(terms, norm_, features) + activated + mlp.kept};
}

}  // namespace luthier
