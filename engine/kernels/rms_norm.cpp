// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/rms_norm.h"

#include "engine/kernels/tensors.h"

namespace luthier::kernels {
namespace {

using torch::Tensor;

constexpr const char* kNormSource = "rms_norm.cu";
constexpr KernelOfTypes kNorm{{kNormSource, "rms_norm_forward_float"},
                              {kNormSource, "rms_norm_forward_bfloat16"}};
constexpr KernelOfTypes kNormBack{{kNormSource, "rms_norm_backward_float"},
                                  {kNormSource, "rms_norm_backward_bfloat16"}};
constexpr KernelOfTypes kNormShares{{kNormSource, "rms_norm_weight_shares_float"},
                                    {kNormSource, "rms_norm_weight_shares_bfloat16"}};
constexpr KernelOfTypes kNormTotal{{kNormSource, "rms_norm_weight_total_float"},
                                   {kNormSource, "rms_norm_weight_total_bfloat16"}};
constexpr std::int64_t kMostShares = 64, kFewestRows = 32;  // of a share

bool same_type(const Tensor& x, const Tensor& weight) {
  return available(x) && weight.scalar_type() == x.scalar_type() && weight.device() == x.device() &&
         weight.is_contiguous();
}

std::vector<std::int64_t> one_a_row(const Tensor& x) {
  auto shape = x.sizes().vec();
  shape.back() = 1;
  return shape;
}

}  // namespace

std::optional<NormedRows> rms_norm(const Tensor& x, const Tensor& added, const Tensor& weight,
                                   double epsilon, bool centred) {
  if (!same_type(x, weight)) return std::nullopt;
  if (added.defined() && (added.sizes() != x.sizes() || added.scalar_type() != x.scalar_type()))
    return std::nullopt;
  const std::int64_t size = weight.size(0);
  const auto plain = x.options().requires_grad(false);
  NormedRows made;
  made.y = at::empty(x.sizes(), plain);
  made.scale = at::empty(one_a_row(x), plain.dtype(torch::kFloat32));
  if (added.defined()) made.sum = at::empty(x.sizes(), plain);
  if (x.numel() == 0) return made;
  const Tensor rows = as_rows(x), more = added.defined() ? added.contiguous() : Tensor();
  const int wide = goes_wide(size, {&rows, &more, &weight, &made.sum, &made.y});
  if (!launch(x, kNorm.of(x), rows.size(0), 1, threads_for(size),
              bytes_of({&rows, &more, &weight, &made.sum, &made.y, &made.scale}), address(rows),
              static_cast<long long>(rows.stride(0)), address(more), address(weight),
              address_to_write(made.sum), address_to_write(made.y), address_to_write(made.scale),
              static_cast<int>(size), static_cast<float>(epsilon), static_cast<int>(centred), wide))
    return std::nullopt;
  return made;
}

std::optional<Tensor> rms_norm_backward(const Tensor& gradient, const Tensor& x,
                                        const Tensor& weight, const Tensor& scale,
                                        const Tensor& passed, bool centred) {
  if (!same_type(x, weight) || gradient.scalar_type() != x.scalar_type()) return std::nullopt;
  if (passed.defined() && passed.scalar_type() != x.scalar_type()) return std::nullopt;
  const std::int64_t size = weight.size(0);
  Tensor dx = at::empty(x.sizes(), x.options().requires_grad(false));
  if (x.numel() == 0) return dx;
  const Tensor rows = as_rows(x), from = gradient.contiguous(),
               more = passed.defined() ? passed.contiguous() : Tensor();
  const int wide = goes_wide(size, {&rows, &from, &more, &weight, &dx});
  if (!launch(x, kNormBack.of(x), rows.size(0), 1, threads_for(size),
              bytes_of({&rows, &from, &more, &weight, &scale, &dx}), address(from), address(rows),
              static_cast<long long>(rows.stride(0)), address(weight), address(scale),
              address(more), address_to_write(dx), static_cast<int>(size),
              static_cast<int>(centred), wide))
    return std::nullopt;
  return dx;
}

std::optional<Tensor> rms_norm_weight_gradient(const Tensor& gradient, const Tensor& x,
                                               const Tensor& weight, const Tensor& scale) {
  if (!same_type(x, weight) || gradient.scalar_type() != x.scalar_type()) return std::nullopt;
  const std::int64_t size = weight.size(0);
  const Tensor rows = as_rows(x), from = gradient.contiguous();
  const std::int64_t count = rows.size(0);
  Tensor made = at::empty(weight.sizes(), weight.options().requires_grad(false));
  if (count == 0) return made.zero_();
  const std::int64_t share = std::max(kFewestRows, (count + kMostShares - 1) / kMostShares),
                     shares = (count + share - 1) / share;
  const Tensor sums = at::empty({shares, size}, scale.options().requires_grad(false));
  if (!launch(x, kNormShares.of(x), (size + 31) / 32, shares, 256,
              bytes_of({&rows, &from, &scale, &sums}), address(from), address(rows), address(scale),
              address_to_write(sums), static_cast<long long>(count), static_cast<int>(size),
              static_cast<long long>(rows.stride(0)), static_cast<long long>(share)))
    return std::nullopt;
  if (!launch(x, kNormTotal.of(x), (size + 255) / 256, 1, 256, bytes_of({&sums, &made}),
              address(sums), address_to_write(made), static_cast<int>(shares),
              static_cast<int>(size)))
    return std::nullopt;
  return made;
}

}  // namespace luthier::kernels
