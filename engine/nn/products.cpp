// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/products.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

#include "engine/device/product_library.h"
#include "engine/device/split_product.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Below this many multiplications oneDNN's call costs more than the product.
constexpr std::int64_t kLeast = 1 << 16;

/// Of a wider tensor's columns oneDNN's call would make a copy, and of a turned one where the other
/// side is a few numbers wide (LoRA's gradients): a whole chunk of logits beside an adapted head.
bool goes_as_it_is(const Tensor& x, const Tensor& weight) {
  return x.is_contiguous() || (x.t().is_contiguous() && weight.size(0) > kFewRows);
}

/// Of some columns of a wider matrix (VeRA's shared pair) oneDNN's product is its plain reference,
/// a hundred times slower.
bool lies_in_one_piece(const Tensor& weight) {
  return weight.is_contiguous() || weight.t().is_contiguous();
}

/// Numbers lie one beside another along a row or along a column.
bool lies_in_lines(const Tensor& matrix) { return matrix.stride(0) == 1 || matrix.stride(1) == 1; }

/// Who makes x [..., in] · weightᵀ; MKL stands for LibTorch's own product, of whatever tensors. Of
/// more than two dimensions x is flattened first.
ProductLibrary maker(const Tensor& x, const Tensor& weight) {
  constexpr ProductLibrary own = ProductLibrary::Mkl;
  if (!x.is_cpu() || x.scalar_type() != torch::kFloat32 ||
      weight.scalar_type() != torch::kFloat32 || x.numel() * weight.size(0) < kLeast)
    return own;
  const bool as_it_lies = weight.stride(1) == 1 && x.stride(-1) == 1;
  const ProductLibrary chosen =
      product_library(x.numel() / x.size(-1), x.size(-1), weight.size(0), as_it_lies);
  if (chosen == ProductLibrary::FewRows) return chosen;
  if (chosen == ProductLibrary::OneDnn)
    return lies_in_one_piece(weight) && (x.dim() != 2 || goes_as_it_is(x, weight)) ? chosen : own;
  if (chosen == ProductLibrary::Tiles)
    return lies_in_lines(weight) && (x.dim() != 2 || lies_in_lines(x)) ? chosen : own;
  return own;
}

/// Whether the tensor's device has a product of narrow numbers that gives float32 (CUDA has).
bool widens(const Tensor& x) {
  static const auto product = c10::Dispatcher::singleton().findSchema({"aten::mm", "dtype"});
  if (!product || (x.scalar_type() != torch::kBFloat16 && x.scalar_type() != torch::kFloat16))
    return false;
  if (x.is_cuda()) return product->hasKernelForDispatchKey(c10::DispatchKey::CUDA);
  return x.is_privateuseone() && product->hasKernelForDispatchKey(c10::DispatchKey::PrivateUse1);
}

/// result [n, out], whose rows may lie apart, becomes (adds: +=) scale · x · weightᵀ + bias.
void put_by_tiles(Tensor& result, const Tensor& x, const Tensor& weight, const Tensor& bias,
                  double scale, bool adds) {
  const Tensor beside = bias.defined() ? bias.contiguous() : Tensor();
  tiles::SplitProduct product;
  product.a = {x.const_data_ptr<float>(), x.stride(0), x.stride(1)};
  product.b = {weight.const_data_ptr<float>(), weight.stride(0), weight.stride(1)};
  product.result = result.data_ptr<float>();
  product.stride = result.stride(0);
  product.m = x.size(0), product.n = weight.size(0), product.k = x.size(1);
  product.scale = static_cast<float>(scale);
  product.adds = adds;
  product.bias = beside.defined() ? beside.const_data_ptr<float>() : nullptr;
  tiles::split_product(product);
}

/// x [n, in], outside autograd.
Tensor plain_linear(const Tensor& x, const Tensor& weight, const Tensor& bias, double scale = 1) {
  const ProductLibrary by = maker(x, weight);
  if (by == ProductLibrary::Tiles) {
    Tensor y = torch::empty({x.size(0), weight.size(0)}, x.options().requires_grad(false));
    put_by_tiles(y, x, weight, bias, scale, false);
    return y;
  }
  if (by == ProductLibrary::FewRows) return few_rows_product(x, weight, bias, scale);
  if (by == ProductLibrary::OneDnn) {
    Tensor y = one_dnn_product(x, weight, bias);
    return scale == 1 ? y : y.mul_(scale);
  }
  if (scale == 1) return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
  // What the sum begins with is not read where it counts nothing.
  return torch::empty({x.size(0), weight.size(0)}, x.options().requires_grad(false))
      .addmm_(x, weight.t(), /*beta=*/0, /*alpha=*/scale);
}

/// Who makes a · b into `sum`: loops of our own want a row's numbers side by side there, too.
ProductLibrary maker_into(const Tensor& sum, const Tensor& a, const Tensor& b) {
  const ProductLibrary by = maker(a, b.t());
  const bool fits = sum.stride(1) == 1 && sum.scalar_type() == torch::kFloat32;
  return by != ProductLibrary::OneDnn && !fits ? ProductLibrary::Mkl : by;
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const Tensor& bias) {
    context->save_for_backward({weight.requires_grad() ? x : Tensor(), weight});
    return plain_linear(x, weight, bias.numel() > 0 ? bias : Tensor());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &gradient = gradients[0];
    Tensor dx, dweight, dbias;
    if (context->needs_input_grad(0)) dx = matrix_product(gradient, weight);
    if (context->needs_input_grad(1)) dweight = matrix_product(gradient.t(), x);
    if (context->needs_input_grad(2)) dbias = gradient.sum(0);
    return {dx, dweight, dbias};
  }
};

}  // namespace

Tensor matrix_product(const Tensor& a, const Tensor& b) { return plain_linear(a, b.t(), {}); }

Tensor matrix_product(const Tensor& a, const Tensor& b, double scale) {
  return plain_linear(a, b.t(), {}, scale);
}

void add_product(Tensor& sum, const Tensor& a, const Tensor& b) {
  const ProductLibrary by = maker_into(sum, a, b);
  if (by == ProductLibrary::Tiles)
    put_by_tiles(sum, a, b.t(), {}, 1, /*adds=*/true);
  else if (by == ProductLibrary::FewRows)
    put_few_rows(sum, a, b.t(), {}, 1, /*adds=*/true);
  else if (by == ProductLibrary::OneDnn)
    sum.add_(one_dnn_product(a, b.t(), {}));
  else
    sum.addmm_(a, b);
}

void put_product(Tensor sum, const Tensor& a, const Tensor& b, double scale) {
  const ProductLibrary by = maker_into(sum, a, b);
  if (by == ProductLibrary::Tiles)
    put_by_tiles(sum, a, b.t(), {}, scale, /*adds=*/false);
  else if (by == ProductLibrary::FewRows)
    put_few_rows(sum, a, b.t(), {}, scale, /*adds=*/false);
  else if (by == ProductLibrary::OneDnn)
    sum.copy_(one_dnn_product(a, b.t(), {}).mul_(scale));
  else
    sum.addmm_(a, b, /*beta=*/0, /*alpha=*/scale);
}

Tensor product_as(const Tensor& a, const Tensor& b, torch::ScalarType type) {
  if (type == torch::kFloat32 && widens(a)) return at::mm(a, b, type);
  return matrix_product(a, b).to(type);
}

Tensor linear_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const bool by_aten = maker(x, weight) == ProductLibrary::Mkl;
  // Where states do not lie row after row, ATen rounds the product before it adds the bias.
  if (by_aten && (x.dim() == 2 || !bias.defined() || x.is_contiguous()))
    return at::linear(x, weight, bias);
  const Tensor flat = x.reshape({-1, x.size(-1)});
  if (by_aten) return at::linear(flat, weight, bias).unflatten(0, x.sizes().slice(0, x.dim() - 1));
  const bool differentiable =
      at::GradMode::is_enabled() &&
      (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  // An empty tensor stands for an absent bias: a Function takes defined tensors only.
  const Tensor y =
      differentiable
          ? LinearFunction::apply(
                flat, weight,
                bias.defined() ? bias : at::empty({0}, weight.options().requires_grad(false)))
          : plain_linear(flat, weight, bias);
  auto shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return y.view(shape);
}

}  // namespace luthier
