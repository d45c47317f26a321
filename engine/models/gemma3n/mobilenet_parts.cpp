// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma3n/mobilenet_parts.h"

#include <algorithm>

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

/// timm's; the configuration has none.
constexpr double kMobileEpsilon = 1e-6;

/// Zeros that a side needs.
std::int64_t zeros_around(std::int64_t side, std::int64_t kernel, std::int64_t stride) {
  const std::int64_t results = (side + stride - 1) / stride;
  return std::max<std::int64_t>(0, (results - 1) * stride + kernel - side);
}

}  // namespace

RmsNorm mobile_norm(std::int64_t channels, const torch::TensorOptions& tensors) {
  return RmsNorm(channels, kMobileEpsilon, tensors, /*centred=*/false, /*once=*/true);
}

PlaceProduct::PlaceProduct(std::int64_t in, std::int64_t out, const torch::TensorOptions& t) {
  add_parameter("weight", weight_, {out, in, 1, 1}, t);
}

SquareConvolution::SquareConvolution(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                     std::int64_t stride, bool apart, bool bias,
                                     const torch::TensorOptions& t)
    : kernel_(kernel), stride_(stride), apart_(apart) {
  add_parameter("weight", weight_, {out, apart ? 1 : in, kernel, kernel}, t);
  if (bias) add_parameter("bias", bias_, {out}, t);
}

Tensor SquareConvolution::forward(const Tensor& x) const {
  const std::int64_t down = zeros_around(x.size(1), kernel_, stride_),
                     along = zeros_around(x.size(2), kernel_, stride_);
  Tensor all = x.permute({0, 3, 1, 2});
  const bool even = down % 2 == 0 && along % 2 == 0;
  if (!even)
    all = at::constant_pad_nd(all, {along / 2, along - along / 2, down / 2, down - down / 2});
  const std::int64_t rows = even ? down / 2 : 0, columns = even ? along / 2 : 0;
  return at::conv2d(all, weight_, bias_, {stride_, stride_}, {rows, columns}, {1, 1},
                    apart_ ? x.size(3) : 1)
      .permute({0, 2, 3, 1})
      .contiguous();
}

NormedConvolution::NormedConvolution(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                     std::int64_t stride, bool apart, bool bias, bool activates,
                                     const torch::TensorOptions& t)
    : in_(in), out_(out), stride_(stride), activates_(activates) {
  if (kernel == 1 && stride == 1 && !apart && !bias) {
    product_ = register_module("conv", std::make_shared<PlaceProduct>(in, out, t));
  } else {
    squares_ = register_module(
        "conv", std::make_shared<SquareConvolution>(in, out, kernel, stride, apart, bias, t));
  }
  bn_ = register_module("bn", mobile_norm(out, t));
}

Tensor NormedConvolution::forward(const Tensor& x) const {
  const Tensor normal = bn_->forward(product_ ? product_->forward(x) : squares_->forward(x));
  return activates_ ? activate(normal, Activation::GeluTanh) : normal;
}

void NormedConvolution::add_cost(MobileCosts& cost, MobilePlaces& places) const {
  const std::int64_t before = places.count();
  places = places.halved(stride_);
  if (product_)
    cost.add(*product_, places.count());
  else
    cost.add(*squares_, before * in_, places.count() * out_);
  cost.add(bn_, places.count(), activates_);
}

void MobileCosts::train(const TrainedShare& own) {
  share += own;
  flows = flows || own.trains;
}

void MobileCosts::add(std::int64_t bytes) {
  if (flows) kept += bytes;
}

void MobileCosts::add(const PlaceProduct& product, std::int64_t places) {
  const std::int64_t in = product.as_linear()->in_features(),
                     out = product.as_linear()->out_features();
  const ProductsCost made = patches_cost(terms, product, places * in);
  kept += made.input + made.numbers;
  train(terms.of(product));
  if (flows)
    most = std::max(most, terms.block(places * in) + terms.block(places * out) + made.work);
}

void MobileCosts::add(const SquareConvolution& convolution, std::int64_t in, std::int64_t out) {
  const TrainedShare own = terms.of(convolution);
  // A convolution keeps its input whatever of it trains.
  if (flows || own.trains) {
    kept += terms.block(in);
    most = std::max(most, 2 * terms.block(in) + 2 * terms.block(out));
  }
  train(own);
}

void MobileCosts::add(const RmsNorm& norm, std::int64_t places, bool activated) {
  train(terms.of(*norm));
  if (!flows) return;
  const std::int64_t state = terms.block(places * norm->weight.size(0));
  kept += norm_kept(terms, norm, places) + (activated ? state : 0);
  most = std::max(most, norm_work(terms, norm, places) + 2 * state);
}

}  // namespace luthier
