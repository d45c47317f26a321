// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/clipseg/transposed_convolution.h"

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

TransposedConvolution::TransposedConvolution(std::int64_t in, std::int64_t out, std::int64_t side,
                                             const torch::TensorOptions& t)
    : in_(in), out_(out), side_(side) {
  add_parameter("weight", weight_, {in, out, side, side}, t);
  add_parameter("bias", bias_, {out}, t);
}

Tensor TransposedConvolution::forward(const Tensor& x) const {
  const std::int64_t frames = x.size(0), rows = x.size(1), columns = x.size(2);
  const Tensor made = at::matmul(x.reshape({-1, in_}), weight_.view({in_, -1}));
  return made.view({frames, rows, columns, out_, side_, side_})
             .permute({0, 1, 4, 2, 5, 3})
             .reshape({frames, rows * side_, columns * side_, out_}) +
         bias_;
}

void TransposedConvolution::add_cost(TowerCost& cost, const StepTerms& terms,
                                     std::int64_t places) const {
  const TrainedShare share = terms.of(*this);
  const std::int64_t made = terms.block(places * out_ * side_ * side_);
  // Backwards its result's gradient stands a second time, place by place.
  cost.add_part(terms, share, share.trains ? terms.block(places * in_) : 0,
                made + (cost.flows ? terms.block(places * in_) : 0));
}

}  // namespace luthier
