// SPDX-License-Identifier: GPL-3.0-or-later
// Heads go to the threads one by one; each thread has room of its own for what a head needs.
#include "engine/nn/loop_attention.h"

#include <algorithm>
#include <cmath>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/device/parallel.h"
#include "engine/nn/float_loops.h"
#include "engine/nn/tile_loops.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The numbers of a head stand one after the other.
Tensor with_whole_heads(const Tensor& x) { return x.stride(3) == 1 ? x : x.contiguous(); }

/// One head of x as the loops take it: Rows, or RowsToWrite, of numbers of x's type.
template <class Rows>
Rows head_of(const Tensor& x, std::int64_t row, std::int64_t head) {
  using Start = decltype(Rows::start);
  // What is written was made for it.
  auto* const start = static_cast<Start>(const_cast<void*>(x.const_data_ptr()));
  return {start + row * x.stride(0) + head * x.stride(1), x.stride(2)};
}

/// bfloat16's loops and float32's: the same names in two namespaces.
struct Tiled {
  using Rows = tiles::Rows;
  using RowsToWrite = tiles::RowsToWrite;
  static std::int64_t scratch(std::int64_t length, std::int64_t size) {
    return std::max(tiles::attend_scratch(length, size), tiles::attend_back_scratch(length, size));
  }
  static void attend(const tiles::HeadForward& head, void* scratch) {
    tiles::attend(head, scratch);
  }
  static void attend_back(const tiles::HeadBackward& head, void* scratch) {
    tiles::attend_back(head, scratch);
  }
};
struct Floats {
  using Rows = floats::Rows;
  using RowsToWrite = floats::RowsToWrite;
  static std::int64_t scratch(std::int64_t length, std::int64_t size) {
    return std::max(floats::attend_scratch(length, size),
                    floats::attend_back_scratch(length, size));
  }
  static void attend(const floats::HeadForward& head, void* scratch) {
    floats::attend(head, scratch);
  }
  static void attend_back(const floats::HeadBackward& head, void* scratch) {
    floats::attend_back(head, scratch);
  }
};

/// Calls `work(row, head, scratch)` for each head of x [batch, heads, seq, head_dim].
template <class Kind, class Work>
void for_heads(const Tensor& x, const Work& work) {
  const std::int64_t heads = x.size(1), bytes = Kind::scratch(x.size(2), x.size(3));
  for_pieces(0, x.size(0) * heads, 1, [&](std::int64_t begin, std::int64_t end) {
    // LibTorch's blocks begin at multiples of 64 bytes.
    const Tensor scratch = torch::empty({bytes}, torch::kByte);
    for (std::int64_t i = begin; i < end; ++i)
      work(i / heads, i % heads, scratch.mutable_data_ptr());
  });
}

/// As [batch, seq, heads, head_dim] in memory: what made queries and keys wants it so.
Tensor token_by_token(const Tensor& x) {
  return torch::empty({x.size(0), x.size(2), x.size(1), x.size(3)},
                      x.options().requires_grad(false))
      .transpose(1, 2);
}

class LoopAttentionFunction : public torch::autograd::Function<LoopAttentionFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        bool causal, std::optional<double> scale) {
    const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
    const Tensor result = token_by_token(q);
    const Tensor log_sums = torch::empty({q.size(0), q.size(1), q.size(2)},
                                         q.options().dtype(torch::kFloat32).requires_grad(false));
    if (q.scalar_type() == torch::kFloat32)
      attend_all<Floats>(q, k, v, result, log_sums, causal, static_cast<float>(factor));
    else
      attend_all<Tiled>(q, k, v, result, log_sums, causal, static_cast<float>(factor));
    context->save_for_backward({q, k, v, result, log_sums});
    context->saved_data["causal"] = causal;
    context->saved_data["scale"] = factor;
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Saved of{saved[0], saved[1], saved[2], saved[3], with_whole_heads(gradients[0]),
                   saved[4]};
    const bool causal = context->saved_data["causal"].toBool();
    const auto scale = static_cast<float>(context->saved_data["scale"].toDouble());
    return of.q.scalar_type() == torch::kFloat32 ? attend_all_back<Floats>(of, causal, scale)
                                                 : attend_all_back<Tiled>(of, causal, scale);
  }

 private:
  struct Saved {
    Tensor q, k, v, result, gradient, log_sums;
  };

  template <class Kind>
  static void attend_all(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& result,
                         const Tensor& log_sums, bool causal, float scale) {
    using Rows = typename Kind::Rows;
    for_heads<Kind>(q, [&](std::int64_t row, std::int64_t head, void* scratch) {
      Kind::attend(
          {head_of<Rows>(q, row, head), head_of<Rows>(k, row, head), head_of<Rows>(v, row, head),
           head_of<typename Kind::RowsToWrite>(result, row, head),
           log_sums.mutable_data_ptr<float>() + (row * q.size(1) + head) * q.size(2), q.size(2),
           q.size(3), scale, causal},
          scratch);
    });
  }

  template <class Kind>
  static variable_list attend_all_back(const Saved& of, bool causal, float scale) {
    using Rows = typename Kind::Rows;
    using RowsToWrite = typename Kind::RowsToWrite;
    const Tensor dq = token_by_token(of.q), dk = token_by_token(of.k), dv = token_by_token(of.v);
    const std::int64_t heads = of.q.size(1), length = of.q.size(2), size = of.q.size(3);
    for_heads<Kind>(of.q, [&](std::int64_t row, std::int64_t head, void* scratch) {
      Kind::attend_back({head_of<Rows>(of.q, row, head), head_of<Rows>(of.k, row, head),
                         head_of<Rows>(of.v, row, head), head_of<Rows>(of.result, row, head),
                         head_of<Rows>(of.gradient, row, head),
                         of.log_sums.const_data_ptr<float>() + (row * heads + head) * length, 1,
                         head_of<RowsToWrite>(dq, row, head), head_of<RowsToWrite>(dk, row, head),
                         head_of<RowsToWrite>(dv, row, head), length, size, scale, causal},
                        scratch);
    });
    return {dq, dk, dv, Tensor(), Tensor()};
  }
};

}  // namespace

bool loops_take(const Tensor& q, const Tensor& k, const Tensor& v) {
  const torch::ScalarType type = q.scalar_type();
  const bool narrow = type == torch::kBFloat16;
  if (!at::GradMode::is_enabled() || (!narrow && type != torch::kFloat32)) return false;
  const auto learns = [](const Tensor& x) { return x.requires_grad(); };
  const auto suits = [&](const Tensor& x) {
    return x.is_cpu() && x.scalar_type() == type && x.dim() == 4 && x.sizes() == q.sizes();
  };
  // A shorter row would be mostly padding.
  const std::int64_t least = narrow ? tiles::kStep : floats::kStep / 4;
  return (learns(q) || learns(k) || learns(v)) && suits(q) && suits(k) && suits(v) &&
         q.size(2) >= least && q.size(3) % tiles::kStep == 0 &&
         (narrow ? tiles::available() : floats::available());
}

Tensor loop_attention(const Tensor& q, const Tensor& k, const Tensor& v, bool causal,
                      const std::optional<double>& scale) {
  return LoopAttentionFunction::apply(with_whole_heads(q), with_whole_heads(k), with_whole_heads(v),
                                      causal, scale);
}

}  // namespace luthier
