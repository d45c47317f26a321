// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deepseek_ocr2/sam_convolution.h"

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

SamConvolution::SamConvolution(std::int64_t in, std::int64_t out, std::int64_t side,
                               std::int64_t step, const torch::TensorOptions& tensors)
    : in_(in), side_(side), step_(step) {
  add_parameter("weight", weight_, {out, in, side, side}, tensors);
}

Tensor SamConvolution::forward(const Tensor& x) const {
  if (side_ == 1 && step_ == 1) return product(x);
  const std::int64_t rows = (x.size(1) + step_ - 1) / step_,
                     columns = (x.size(2) + step_ - 1) / step_, around = side_ / 2;
  const Tensor windows = at::im2col(x.permute({0, 3, 1, 2}), {side_, side_}, /*dilation=*/{1, 1},
                                    {around, around}, {step_, step_});
  return product(windows.transpose(1, 2)).view({x.size(0), rows, columns, -1});
}

void SamConvolution::add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t places) const {
  const std::int64_t numbers = places * in_ * side_ * side_;
  const bool flows = cost.flows;
  const ProductsCost made = patches_cost(terms, *this, numbers);
  // The gradient of all windows, which is turned by a copy, and of the places that they overlap on.
  const std::int64_t turned =
      side_ > 1 ? terms.block(numbers) + terms.block(places * step_ * step_ * in_) : 0;
  const std::int64_t back = flows ? terms.block(numbers) + turned : 0;
  cost.add_part(terms, terms.of(*this), made.input + made.numbers, back + made.work);
}

}  // namespace luthier
