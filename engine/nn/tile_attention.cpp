// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/tile_attention.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <ATen/Parallel.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/tile_loops.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The numbers of a head stand one after the other.
Tensor with_whole_heads(const Tensor& x) { return x.stride(3) == 1 ? x : x.contiguous(); }

tiles::Rows head_of(const Tensor& x, std::int64_t row, std::int64_t head) {
  return {
      static_cast<const tiles::Bits*>(x.const_data_ptr()) + row * x.stride(0) + head * x.stride(1),
      x.stride(2)};
}

tiles::RowsToWrite head_to_write(const Tensor& x, std::int64_t row, std::int64_t head) {
  return {static_cast<tiles::Bits*>(x.mutable_data_ptr()) + row * x.stride(0) + head * x.stride(1),
          x.stride(2)};
}

/// As [batch, seq, heads, head_dim] in memory: what made queries and keys wants it so.
Tensor token_by_token(const Tensor& x) {
  return torch::empty({x.size(0), x.size(2), x.size(1), x.size(3)},
                      x.options().requires_grad(false))
      .transpose(1, 2);
}

class TileAttentionFunction : public torch::autograd::Function<TileAttentionFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        bool causal, std::optional<double> scale) {
    const auto [result, log_sums] =
        at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, {}, scale);
    context->save_for_backward({q, k, v, result, log_sums});
    context->saved_data["causal"] = causal;
    context->saved_data["scale"] = scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor q = with_whole_heads(saved[0]), k = with_whole_heads(saved[1]),
                 v = with_whole_heads(saved[2]), result = with_whole_heads(saved[3]),
                 gradient = with_whole_heads(gradients[0]);
    const Tensor& log_sums = saved[4];
    const Tensor dq = token_by_token(q), dk = token_by_token(k), dv = token_by_token(v);
    const std::int64_t heads = q.size(1), length = q.size(2), size = q.size(3);
    const auto scale = static_cast<float>(context->saved_data["scale"].toDouble());
    const bool causal = context->saved_data["causal"].toBool();
    at::parallel_for(0, q.size(0) * heads, 1, [&](std::int64_t begin, std::int64_t end) {
      // LibTorch's blocks begin at multiples of 64 bytes.
      const Tensor scratch = torch::empty({tiles::attend_back_scratch(length, size)}, torch::kByte);
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = i / heads, head = i % heads;
        tiles::attend_back(
            {head_of(q, row, head), head_of(k, row, head), head_of(v, row, head),
             head_of(result, row, head), head_of(gradient, row, head),
             log_sums.const_data_ptr<float>() + row * log_sums.stride(0) +
                 head * log_sums.stride(1),
             log_sums.stride(2), head_to_write(dq, row, head), head_to_write(dk, row, head),
             head_to_write(dv, row, head), length, size, scale, causal},
            scratch.mutable_data_ptr());
      }
    });
    return {dq, dk, dv, Tensor(), Tensor()};
  }
};

}  // namespace

// A shorter row would be mostly padding.
bool tiles_take(const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto learns = [](const Tensor& x) { return x.requires_grad(); };
  const auto suits = [&](const Tensor& x) {
    return x.is_cpu() && x.scalar_type() == torch::kBFloat16 && x.dim() == 4 &&
           x.sizes() == q.sizes();
  };
  return at::GradMode::is_enabled() && (learns(q) || learns(k) || learns(v)) && suits(q) &&
         suits(k) && suits(v) && q.size(2) >= tiles::kStep && q.size(3) % tiles::kStep == 0 &&
         tiles::available();
}

Tensor tile_attention(const Tensor& q, const Tensor& k, const Tensor& v, bool causal,
                      const std::optional<double>& scale) {
  return TileAttentionFunction::apply(with_whole_heads(q), with_whole_heads(k), with_whole_heads(v),
                                      causal, scale);
}

}  // namespace luthier
