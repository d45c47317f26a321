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

/// The stretches of row `row` as the loops take them; null: there are none.
const SeenKeys* stretches_of(const Tensor& stretches, std::int64_t row) {
  static_assert(sizeof(SeenKeys) == 2 * sizeof(std::int32_t));
  if (stretches.numel() == 0) return nullptr;
  const std::int64_t own = stretches.size(0) == 1 ? 0 : row * stretches.stride(0);
  return reinterpret_cast<const SeenKeys*>(stretches.const_data_ptr<std::int32_t>() + own);
}

class LoopAttentionFunction : public torch::autograd::Function<LoopAttentionFunction> {
 public:
  /// `stretches`: empty where there are none, since a Function takes defined tensors only.
  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Tensor& stretches, bool causal, std::optional<double> scale) {
    const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
    const Tensor result = token_by_token(q);
    const Tensor log_sums = torch::empty({q.size(0), q.size(1), q.size(2)},
                                         q.options().dtype(torch::kFloat32).requires_grad(false));
    const Made made{q, k, v, stretches, result, log_sums, causal, static_cast<float>(factor)};
    if (q.scalar_type() == torch::kFloat32)
      attend_all<Floats>(made);
    else
      attend_all<Tiled>(made);
    context->save_for_backward({q, k, v, result, log_sums, stretches});
    context->saved_data["causal"] = causal;
    context->saved_data["scale"] = factor;
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Made made{saved[0],
                    saved[1],
                    saved[2],
                    saved[5],
                    saved[3],
                    saved[4],
                    context->saved_data["causal"].toBool(),
                    static_cast<float>(context->saved_data["scale"].toDouble())};
    const Tensor gradient = with_whole_heads(gradients[0]);
    return made.q.scalar_type() == torch::kFloat32 ? attend_all_back<Floats>(made, gradient)
                                                   : attend_all_back<Tiled>(made, gradient);
  }

 private:
  struct Made {
    Tensor q, k, v, stretches, result, log_sums;
    bool causal;
    float scale;
  };

  template <class Kind>
  static void attend_all(const Made& made) {
    using Rows = typename Kind::Rows;
    const std::int64_t heads = made.q.size(1), length = made.q.size(2), size = made.q.size(3);
    for_heads<Kind>(made.q, [&](std::int64_t row, std::int64_t head, void* scratch) {
      Kind::attend({head_of<Rows>(made.q, row, head), head_of<Rows>(made.k, row, head),
                    head_of<Rows>(made.v, row, head),
                    head_of<typename Kind::RowsToWrite>(made.result, row, head),
                    made.log_sums.mutable_data_ptr<float>() + (row * heads + head) * length, length,
                    size, made.scale, made.causal, stretches_of(made.stretches, row)},
                   scratch);
    });
  }

  template <class Kind>
  static variable_list attend_all_back(const Made& made, const Tensor& gradient) {
    using Rows = typename Kind::Rows;
    using RowsToWrite = typename Kind::RowsToWrite;
    const Tensor dq = token_by_token(made.q), dk = token_by_token(made.k),
                 dv = token_by_token(made.v);
    const std::int64_t heads = made.q.size(1), length = made.q.size(2), size = made.q.size(3);
    for_heads<Kind>(made.q, [&](std::int64_t row, std::int64_t head, void* scratch) {
      Kind::attend_back({head_of<Rows>(made.q, row, head), head_of<Rows>(made.k, row, head),
                         head_of<Rows>(made.v, row, head), head_of<Rows>(made.result, row, head),
                         head_of<Rows>(gradient, row, head),
                         made.log_sums.const_data_ptr<float>() + (row * heads + head) * length, 1,
                         head_of<RowsToWrite>(dq, row, head), head_of<RowsToWrite>(dk, row, head),
                         head_of<RowsToWrite>(dv, row, head), length, size, made.scale, made.causal,
                         stretches_of(made.stretches, row)},
                        scratch);
    });
    return {dq, dk, dv, Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

bool loops_take(const Tensor& q, const Tensor& k, const Tensor& v, Sight sight) {
  const torch::ScalarType type = q.scalar_type();
  const bool narrow = type == torch::kBFloat16;
  if (!narrow && type != torch::kFloat32) return false;
  const bool learns =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  if (narrow && (!learns || sight == Sight::Stretches)) return false;
  const auto suits = [&](const Tensor& x) {
    return x.is_cpu() && x.scalar_type() == type && x.dim() == 4 && x.sizes() == q.sizes();
  };
  // A shorter row would be mostly padding.
  const std::int64_t least = narrow ? tiles::kStep : floats::kStep / 4;
  return suits(q) && suits(k) && suits(v) && q.size(2) >= least && q.size(3) % tiles::kStep == 0 &&
         (narrow ? tiles::available() : floats::available());
}

bool token_loops_take(const Tensor& q) {
  return q.is_cpu() && q.scalar_type() == torch::kFloat32 && q.size(2) % 16 == 0 &&
         !at::GradMode::is_enabled() && floats::available();
}

Tensor token_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                       const std::vector<std::int64_t>& first,
                       const std::vector<KeyValueCache::Alike>& alike, double scale) {
  const Tensor queries = q.contiguous(), result = torch::empty_like(queries);
  const std::int64_t rows = q.size(0), heads = k.size(1), keys = k.size(2), size = q.size(2),
                     together = q.size(1) / heads;
  constexpr std::int64_t kPiece = 1 << 17;  // multiplications that are worth a thread
  const std::int64_t grain =
      std::max<std::int64_t>(1, kPiece / std::max<std::int64_t>(1, together * keys * size));
  const auto part = [&](std::int64_t row, std::int64_t head, std::int64_t begin, std::int64_t end) {
    floats::TokenKeys made{head_of<floats::Rows>(k, row, head), head_of<floats::Rows>(v, row, head),
                           end - begin};
    made.k.start += begin * made.k.stride, made.v.start += begin * made.v.stride;
    return made;
  };
  // Head by head: rows that begin alike find one another's keys in the second cache.
  for_pieces(0, rows * heads, grain, [&](std::int64_t begin, std::int64_t end) {
    const Tensor scratch = torch::empty({floats::attend_token_scratch(keys)}, torch::kByte);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t head = i / rows, row = i % rows,
                         hidden = first[static_cast<std::size_t>(row)],
                         place = (row * heads + head) * together * size;
      const auto [other, until] =
          alike.empty() ? KeyValueCache::Alike{row, 0} : alike[static_cast<std::size_t>(row)];
      const std::int64_t own = std::clamp(until, hidden, keys);
      floats::TokenHead newest;
      newest.queries = queries.const_data_ptr<float>() + place;
      newest.first = part(other, head, hidden, own);
      newest.others = part(row, head, own, keys);
      newest.result = result.mutable_data_ptr<float>() + place;
      newest.count = together, newest.size = size;
      newest.scale = static_cast<float>(scale);
      floats::attend_token(newest, scratch.mutable_data_ptr());
    }
  });
  return result.view({q.size(0), -1});
}

Tensor loop_attention(const Tensor& q, const Tensor& k, const Tensor& v, Sight sight,
                      const std::optional<double>& scale, const Tensor& stretches) {
  return LoopAttentionFunction::apply(
      with_whole_heads(q), with_whole_heads(k), with_whole_heads(v),
      stretches.defined() ? stretches : torch::empty({0}, torch::kInt32), sight == Sight::Causal,
      scale);
}

}  // namespace luthier
