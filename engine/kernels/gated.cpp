// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/gated.h"

#include <tuple>

#include "engine/device/neighbours.h"
#include "engine/kernels/tensors.h"

namespace luthier::kernels {
namespace {

using torch::Tensor;

constexpr const char* kGatedSource = "gated.cu";
constexpr KernelOfTypes kGated{{kGatedSource, "gated_forward_float"},
                               {kGatedSource, "gated_forward_bfloat16"}};
constexpr KernelOfTypes kGatedBack{{kGatedSource, "gated_backward_float"},
                                   {kGatedSource, "gated_backward_bfloat16"}};

bool alike(const Tensor& gate, const Tensor& up) {
  return available(gate) && gate.dim() > 0 && up.scalar_type() == gate.scalar_type() &&
         up.sizes() == gate.sizes() && up.device() == gate.device();
}

Tensor fresh(const Tensor& like, bool wanted = true) {
  return wanted ? at::empty(like.sizes(), like.options().requires_grad(false)) : Tensor();
}

/// A result as rows over its own memory, as `read` has them.
Tensor lines(const Tensor& made, const Tensor& read) {
  return made.defined() ? made.view(read.sizes()) : Tensor();
}
long long step_of(const Tensor& rows) { return rows.defined() ? rows.stride(0) : 0; }

}  // namespace

std::optional<Tensor> gated(const Tensor& gate, const Tensor& up, Activation activation) {
  if (!alike(gate, up) || activation > Activation::Relu) return std::nullopt;
  Tensor y = fresh(gate);
  if (gate.numel() == 0) return y;
  const Tensor g = as_rows(gate), u = as_rows(up);
  const std::int64_t size = g.size(1);
  if (!launch(gate, kGated.of(gate), g.size(0), 1, threads_for(size), bytes_of({&g, &u, &y}),
              address(g), static_cast<long long>(g.stride(0)), address(u),
              static_cast<long long>(u.stride(0)), address_to_write(y), static_cast<int>(size),
              static_cast<int>(activation), goes_wide(size, {&g, &u, &y})))
    return std::nullopt;
  return y;
}

std::optional<GatedGradients> gated_backward(const Tensor& gradient, const Tensor& gate,
                                             const Tensor& up, Activation activation,
                                             bool wants_gate, bool wants_up) {
  if (!alike(gate, up) || gradient.scalar_type() != gate.scalar_type() ||
      activation > Activation::Relu)
    return std::nullopt;
  const std::int64_t rows = wants_gate && wants_up ? rows_beside(up, gate) : 0;
  GatedGradients made;
  if (rows > 0)
    std::tie(made.gate, made.up) = empty_pair(gate, up, rows);
  else
    made = {fresh(gate, wants_gate), fresh(up, wants_up)};
  if (gate.numel() == 0) return made;
  const Tensor g = as_rows(gate), u = as_rows(up), d = gradient.contiguous();
  const std::int64_t size = g.size(1);
  const Tensor dg = lines(made.gate, g), du = lines(made.up, u);
  if (!launch(gate, kGatedBack.of(gate), g.size(0), 1, threads_for(size),
              bytes_of({&g, &u, &d, &made.gate, &made.up}), address(d), address(g),
              static_cast<long long>(g.stride(0)), address(u), static_cast<long long>(u.stride(0)),
              address_to_write(dg), step_of(dg), address_to_write(du), step_of(du),
              static_cast<int>(size), static_cast<int>(activation),
              goes_wide(size, {&g, &u, &d, &dg, &du})))
    return std::nullopt;
  return made;
}

}  // namespace luthier::kernels
