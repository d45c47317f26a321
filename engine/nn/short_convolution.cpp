// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/short_convolution.h"

namespace luthier {

using torch::Tensor;

ShortConvolutionImpl::ShortConvolutionImpl(std::int64_t channels, std::int64_t kernel,
                                           const torch::TensorOptions& tensors, bool bias) {
  add_parameter("weight", weight_, {channels, 1, kernel}, tensors);
  if (bias) add_parameter("bias", bias_, {channels}, tensors);
}

Tensor ShortConvolutionImpl::forward(const Tensor& x) const {
  const std::int64_t none = 0;  // a literal would be ambiguous
  if (x.is_cpu()) return at::conv1d(x, weight_, bias_, 1, none, 1, weight_.size(0));
  // A few multiplications: libraries of a device's convolutions add in an order of their own.
  const std::int64_t columns = x.size(2) - before();
  Tensor sum;
  for (std::int64_t tap = 0; tap <= before(); ++tap) {
    const Tensor each = x.slice(2, tap, tap + columns) * weight_.slice(2, tap, tap + 1).squeeze(1);
    sum = sum.defined() ? sum + each : each;
  }
  return bias_.defined() ? sum + bias_.unsqueeze(1) : sum;
}

Tensor ShortConvolutionImpl::from_nothing(const Tensor& x) const {
  if (!x.is_cpu()) return forward(at::constant_pad_nd(x, {before(), 0}));
  return at::conv1d(x, weight_, bias_, 1, before(), 1, weight_.size(0)).slice(2, 0, x.size(2));
}

Tensor ShortConvolutionImpl::after(const Tensor& x, Tensor* columns) const {
  if (!columns) return from_nothing(x);
  const bool begins = !columns->defined();
  const Tensor whole = begins ? at::constant_pad_nd(x, {before(), 0}) : at::cat({*columns, x}, 2);
  *columns = whole.slice(2, whole.size(2) - before()).contiguous();
  return begins ? from_nothing(x) : forward(whole);
}

}  // namespace luthier
