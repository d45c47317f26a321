// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/florence2/davit_convolution.h"

#include "engine/nn/module_cost.h"

namespace luthier::florence2 {

using torch::Tensor;

WindowConvolution::WindowConvolution(std::int64_t in, const StageSizes& stage,
                                     const torch::TensorOptions& t)
    : in_(in), stage_(stage) {
  add_parameter("weight", weight_, {stage.width, in, stage.patch, stage.patch}, t);
  add_parameter("bias", bias_, {stage.width}, t);
}

Tensor WindowConvolution::forward(const Tensor& x) const {
  const std::int64_t rows = windows_along(x.size(1), stage_),
                     columns = windows_along(x.size(2), stage_);
  TORCH_CHECK(rows > 0 && columns > 0, "a picture is too small for the tower's stages");
  const Tensor windows = at::im2col(x.permute({0, 3, 1, 2}), {stage_.patch, stage_.patch},
                                    /*dilation=*/{1, 1}, {stage_.padding, stage_.padding},
                                    {stage_.stride, stage_.stride});
  return product(windows.transpose(1, 2)).view({x.size(0), rows, columns, stage_.width});
}

void WindowConvolution::add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t before,
                                 std::int64_t places) const {
  const std::int64_t numbers = places * in_ * stage_.patch * stage_.patch;
  const ProductsCost made = patches_cost(terms, *this, numbers);
  // The gradient of all windows, and of the places that they overlap on.
  const std::int64_t back = cost.flows ? terms.block(numbers) + terms.block(before * in_) : 0;
  cost.add_part(terms, terms.of(*this), made.input + made.numbers, back + made.work);
}

ChannelConvolution::ChannelConvolution(std::int64_t width, const torch::TensorOptions& t) {
  add_parameter("weight", weight_, {width, 1, 3, 3}, t);
  add_parameter("bias", bias_, {width}, t);
}

Tensor ChannelConvolution::forward(const Tensor& x) const {
  const Tensor made = at::conv2d(x.permute({0, 3, 1, 2}), weight_, bias_, /*stride=*/{1, 1},
                                 /*padding=*/{1, 1}, /*dilation=*/{1, 1}, x.size(3));
  return x + made.permute({0, 2, 3, 1});
}

}  // namespace luthier::florence2
