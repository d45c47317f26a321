// SPDX-License-Identifier: GPL-3.0-or-later
// Rows go to the threads in pieces, the matrices' gradients block by block, so that the order of
// all sums depends on the sizes alone.
#include "engine/nn/block_loops.h"

#include <torch/csrc/autograd/custom_function.h>

#include "engine/device/parallel.h"
#include "engine/nn/float_loops.h"
#include "engine/nn/powers.h"

namespace luthier {

using torch::Tensor;

Tensor block_products(const Tensor& x, const Tensor& matrices) {
  const std::int64_t blocks = matrices.size(0), size = matrices.size(1);
  const Tensor parts = x.reshape({-1, blocks, size}).transpose(0, 1);  // [blocks, n, b]
  return at::bmm(parts, matrices.to(x.scalar_type())).transpose(0, 1).reshape(x.sizes());
}

#ifdef LUTHIER_HAS_AVX512

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kWide = 16;  ///< numbers of a register
constexpr int kRowsAtOnce = 16;     ///< sums that stand in registers
constexpr std::int64_t kPiece = 64;

/// Sizes of x [rows, blocks · size].
struct BlockShape {
  std::int64_t rows, blocks, size;
  std::int64_t width() const { return blocks * size; }
};

/// `Tall` rows of x and of the result, from their first number on. `matrices` [blocks, b, b].
template <int Tall>
LUTHIER_AVX512 void add_products(const float* x, const float* matrices, const BlockShape& shape,
                                 float* result) {
  const std::int64_t width = shape.width();
  for (std::int64_t block = 0; block < shape.blocks; ++block) {
    const std::int64_t first = block * shape.size;
    for (std::int64_t to = 0; to < shape.size; to += kWide) {
      __m512 sum[Tall];
#pragma GCC unroll 16
      for (int row = 0; row < Tall; ++row) sum[row] = _mm512_loadu_ps(x + row * width + first + to);
      const float* beside = matrices + first * shape.size + to;
      for (std::int64_t i = 0; i < shape.size; ++i, beside += shape.size) {
        const __m512 numbers = _mm512_loadu_ps(beside);
#pragma GCC unroll 16
        for (int row = 0; row < Tall; ++row) {
          const __m512 own = _mm512_set1_ps(x[row * width + first + i]);
          sum[row] = _mm512_fmadd_ps(own, numbers, sum[row]);
        }
      }
#pragma GCC unroll 16
      for (int row = 0; row < Tall; ++row)
        _mm512_storeu_ps(result + row * width + first + to, sum[row]);
    }
  }
}

/// x + x · M of contiguous x [rows, blocks · size] and M [blocks, size, size].
Tensor added_products(const Tensor& x, const Tensor& matrices, const BlockShape& shape) {
  Tensor result = torch::empty_like(x);
  const float *from = x.const_data_ptr<float>(), *beside = matrices.const_data_ptr<float>();
  float* const to = result.mutable_data_ptr<float>();
  for_pieces(0, shape.rows, kPiece, [&](std::int64_t row, std::int64_t end) {
    const auto at = [&](std::int64_t place) { return place * shape.width(); };
    for (; row + kRowsAtOnce <= end; row += kRowsAtOnce)
      add_products<kRowsAtOnce>(from + at(row), beside, shape, to + at(row));
    for (; row < end; ++row) add_products<1>(from + at(row), beside, shape, to + at(row));
  });
  return result;
}

/// xᵀ · gradient of one block, [size, size].
LUTHIER_AVX512 void matrix_gradient(const float* x, const float* gradient, const BlockShape& shape,
                                    float* made) {
  const std::int64_t width = shape.width();
  for (std::int64_t down = 0; down < shape.size; down += kRowsAtOnce) {
    for (std::int64_t to = 0; to < shape.size; to += kWide) {
      __m512 sum[kRowsAtOnce];
#pragma GCC unroll 16
      for (int i = 0; i < kRowsAtOnce; ++i) sum[i] = _mm512_setzero_ps();
      for (std::int64_t row = 0; row < shape.rows; ++row) {
        const __m512 given = _mm512_loadu_ps(gradient + row * width + to);
        const float* const own = x + row * width + down;
#pragma GCC unroll 16
        for (int i = 0; i < kRowsAtOnce; ++i)
          sum[i] = _mm512_fmadd_ps(_mm512_set1_ps(own[i]), given, sum[i]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kRowsAtOnce; ++i)
        _mm512_storeu_ps(made + (down + i) * shape.size + to, sum[i]);
    }
  }
}

class BlockFunction : public torch::autograd::Function<BlockFunction> {
 public:
  /// x [n, blocks · b], matrices [blocks, b, b], both contiguous.
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& matrices) {
    context->save_for_backward({x, matrices});
    return added_products(x, matrices, shape_of(x, matrices));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &matrices = saved[1], gradient = gradients[0].contiguous();
    const BlockShape shape = shape_of(x, matrices);
    Tensor dx, dmatrices;
    if (context->needs_input_grad(0))
      dx = added_products(gradient, matrices.transpose(1, 2).contiguous(), shape);
    if (context->needs_input_grad(1)) {
      dmatrices = torch::empty_like(matrices);
      const float *from = x.const_data_ptr<float>(), *given = gradient.const_data_ptr<float>();
      float* const made = dmatrices.mutable_data_ptr<float>();
      for_pieces(0, shape.blocks, 1, [&](std::int64_t block, std::int64_t end) {
        for (; block < end; ++block) {
          const std::int64_t first = block * shape.size;
          matrix_gradient(from + first, given + first, shape, made + first * shape.size);
        }
      });
    }
    return {dx, dmatrices};
  }

 private:
  static BlockShape shape_of(const Tensor& x, const Tensor& matrices) {
    return {x.size(0), matrices.size(0), matrices.size(1)};
  }
};

}  // namespace

bool block_loops_take(const Tensor& x, const Tensor& matrices) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat32 &&
         matrices.scalar_type() == torch::kFloat32 && matrices.size(1) % kWide == 0 &&
         floats::available();
}

Tensor with_block_products(const Tensor& x, const Tensor& matrices) {
  if (!block_loops_take(x, matrices)) return x + block_products(x, matrices);
  const Tensor flat = x.reshape({-1, x.size(-1)}).contiguous();
  return BlockFunction::apply(flat, matrices.contiguous()).view(x.sizes());
}

#else

bool block_loops_take(const Tensor&, const Tensor&) { return false; }

Tensor with_block_products(const Tensor& x, const Tensor& matrices) {
  return x + block_products(x, matrices);
}

#endif

}  // namespace luthier
