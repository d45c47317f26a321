// SPDX-License-Identifier: GPL-3.0-or-later
// Loops over numbers in memory that ATen would make of several: each reads its inputs once and
// writes its results once, which is what small layers cost on a CPU. The compiler makes vectors of
// them, for AVX-512, AVX2 and what comes before; sums have sixteen strands in a fixed order, so the
// same sizes give the same bits. bfloat16 numbers
// come by their bits; all arithmetic is float32 and rounded where it is stored.
#pragma once

#include <cstdint>

namespace luthier::loops {

using Bits = std::uint16_t;  ///< of a bfloat16

/// Rows of an RMSNorm.
struct NormShape {
  std::int64_t rows = 0, size = 0;
  float epsilon = 0;
  bool centred = false;  ///< · (1 + weight), rounded once; else rounded before the weight, too
};
/// y = x · scale · weight, [rows, size]; `scale` [rows] = 1 / rms(x) is written, too.
void rms_norm(const float* x, const float* weight, float* y, float* scale, const NormShape& shape);
void rms_norm(const Bits* x, const Bits* weight, Bits* y, float* scale, const NormShape& shape);
/// The same of sum = x + added, which is written, too.
void sum_rms_norm(const float* x, const float* added, const float* weight, float* sum, float* y,
                  float* scale, const NormShape& shape);
void sum_rms_norm(const Bits* x, const Bits* added, const Bits* weight, Bits* sum, Bits* y,
                  float* scale, const NormShape& shape);
/// dx of `gradient`, both [rows, size]; `passed`: added to it; null: nothing is.
void rms_norm_back(const float* x, const float* weight, const float* scale, const float* gradient,
                   const float* passed, float* dx, const NormShape& shape);
void rms_norm_back(const Bits* x, const Bits* weight, const float* scale, const Bits* gradient,
                   const Bits* passed, Bits* dx, const NormShape& shape);

/// Activations that are x · sigmoid(v(x)): v = x (SiLU), 1.702 x (quick GELU), and for GELU with
/// tanh v = 2 √(2/π) (x + 0.044715 x³), since (1 + tanh u) / 2 = sigmoid(2 u).
enum class Curve { Silu, QuickGelu, GeluTanh };
/// y = act(x) · up; `up` null: act(x).
void activate(const float* x, const float* up, float* y, std::int64_t count, Curve curve);
void activate(const Bits* x, const Bits* up, Bits* y, std::int64_t count, Curve curve);
/// dx = gradient · up · act'(x), dup = gradient · act(x). `up` and `dup` null: there is none.
void activate_back(const float* x, const float* up, const float* gradient, float* dx, float* dup,
                   std::int64_t count, Curve curve);
void activate_back(const Bits* x, const Bits* up, const Bits* gradient, Bits* dx, Bits* dup,
                   std::int64_t count, Curve curve);

/// Heads [tokens, heads, size] turned by their token's angles [tokens, turned]: the first half of
/// the first `turned` numbers with the second. The rest is copied. `sign` −1 turns back. y may be
/// x.
constexpr std::int64_t kMostTurned = 1024;
struct TurnShape {
  std::int64_t tokens = 0, heads = 0, size = 0;
  std::int64_t turned = 0;              ///< even, at most kMostTurned
  std::int64_t x_step = 0, y_step = 0;  ///< numbers from a token to the next
  float sign = 1;
};
void turn(const float* x, const float* cos, const float* sin, float* y, const TurnShape& shape);
void turn(const Bits* x, const Bits* cos, const Bits* sin, Bits* y, const TurnShape& shape);

/// Rows of logits, [rows, size], each with the place of its target.
struct LogitShape {
  std::int64_t rows = 0, size = 0;
  bool gradient = false;  ///< logits become softmax − onehot(target), else they stay
};
/// losses [rows] = −log softmax(logits)[target].
void cross_entropy(float* logits, const std::int64_t* targets, float* losses,
                   const LogitShape& shape);
void cross_entropy(Bits* logits, const std::int64_t* targets, float* losses,
                   const LogitShape& shape);

}  // namespace luthier::loops
