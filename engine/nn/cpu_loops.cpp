// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/cpu_loops.h"

#include <algorithm>
#include <bit>
#include <cmath>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define LUTHIER_CLONED __attribute__((target_clones("avx512f", "avx2", "default")))
#define LUTHIER_INSIDE inline __attribute__((always_inline))
#else
#define LUTHIER_CLONED
#define LUTHIER_INSIDE inline
#endif

namespace luthier::loops {

namespace {

constexpr std::int64_t kStrands = 16;

LUTHIER_INSIDE float loaded(float x) { return x; }
LUTHIER_INSIDE float loaded(Bits x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16);
}

/// To the nearest, to an even one where two are as near.
LUTHIER_INSIDE void store(float* to, float value) { *to = value; }
LUTHIER_INSIDE void store(Bits* to, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  *to = static_cast<Bits>(value == value ? rounded : 0x7fc0u);
}

template <class Number>
LUTHIER_INSIDE float as_stored(float value) {
  Number made;
  store(&made, value);
  return loaded(made);
}

LUTHIER_INSIDE float added_up(const float* strands) {
  float sums[kStrands];
  for (std::int64_t k = 0; k < kStrands; ++k) sums[k] = strands[k];
  for (std::int64_t width = kStrands / 2; width > 0; width /= 2)
    for (std::int64_t k = 0; k < width; ++k) sums[k] += sums[k + width];
  return sums[0];
}

/// Σ term(i) over a row.
template <class Term>
LUTHIER_INSIDE float row_sum(std::int64_t size, const Term& term) {
  float strands[kStrands] = {};
  std::int64_t i = 0;
  for (; i + kStrands <= size; i += kStrands)
    for (std::int64_t k = 0; k < kStrands; ++k) strands[k] += term(i + k);
  for (std::int64_t k = 0; i + k < size; ++k) strands[k] += term(i + k);
  return added_up(strands);
}

template <class Number>
LUTHIER_INSIDE void norm_rows(const Number* x, const Number* weight, Number* y, float* scale,
                              const NormShape& shape) {
  const std::int64_t size = shape.size;
  for (std::int64_t row = 0; row < shape.rows; ++row, x += size, y += size) {
    const float squares =
        row_sum(size, [x](std::int64_t i) { return loaded(x[i]) * loaded(x[i]); });
    const float factor = 1 / std::sqrt(squares / static_cast<float>(size) + shape.epsilon);
    scale[row] = factor;
    if (shape.centred) {
      for (std::int64_t i = 0; i < size; ++i)
        store(&y[i], loaded(x[i]) * factor * (loaded(weight[i]) + 1));
    } else {
      for (std::int64_t i = 0; i < size; ++i)
        store(&y[i], as_stored<Number>(loaded(x[i]) * factor) * loaded(weight[i]));
    }
  }
}

template <class Number>
LUTHIER_INSIDE void sum_and_norm_rows(const Number* x, const Number* added, const Number* weight,
                                      Number* sum, Number* y, float* scale,
                                      const NormShape& shape) {
  NormShape one = shape;
  one.rows = 1;
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const std::int64_t place = row * shape.size;
    for (std::int64_t i = place; i < place + shape.size; ++i)
      store(&sum[i], loaded(x[i]) + loaded(added[i]));
    norm_rows(sum + place, weight, y + place, scale + row, one);
  }
}

template <class Number>
LUTHIER_INSIDE void norm_rows_back(const Number* x, const Number* weight, const float* scale,
                                   const Number* gradient, const Number* passed, Number* dx,
                                   const NormShape& shape) {
  const std::int64_t size = shape.size;
  const float one = shape.centred ? 1 : 0;
  for (std::int64_t row = 0; row < shape.rows; ++row, x += size, gradient += size, dx += size) {
    const float factor = scale[row];
    const float together = row_sum(size, [=](std::int64_t i) {
      return loaded(gradient[i]) * (loaded(weight[i]) + one) * loaded(x[i]);
    });
    // What of the gradient lies along x goes: that length is fixed.
    const float along = together * factor * factor / static_cast<float>(size);
    const auto made = [=](std::int64_t i) {
      return (loaded(gradient[i]) * (loaded(weight[i]) + one) - loaded(x[i]) * along) * factor;
    };
    if (passed) {
      // Rounded before they are added, as two gradients that meet are.
      for (std::int64_t i = 0; i < size; ++i)
        store(&dx[i], as_stored<Number>(made(i)) + loaded(passed[i]));
      passed += size;
    } else {
      for (std::int64_t i = 0; i < size; ++i) store(&dx[i], made(i));
    }
  }
}

/// Within two places of the last one: 2ⁿ · e^r with |r| ≤ ln 2 / 2 and the polynomial of Cephes'
/// expf for e^r.
LUTHIER_INSIDE float exponential(float x) {
  constexpr float kRounds = 12582912.0f;  // 1.5 · 2²³: adding it leaves a whole number
  x = x > 88.0f ? 88.0f : x;
  x = x < -87.0f ? -87.0f : x;
  const float shifted = x * 1.44269504f + kRounds, whole = shifted - kRounds;
  const float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float sum = 1.9875691500e-4f;
  sum = sum * r + 1.3981999507e-3f;
  sum = sum * r + 8.3334519073e-3f;
  sum = sum * r + 4.1665795894e-2f;
  sum = sum * r + 1.6666665459e-1f;
  sum = sum * r + 5.0000001201e-1f;
  const auto power = std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(kRounds);
  return (sum * r * r + r + 1) * std::bit_cast<float>((power + 127u) << 23);
}

/// v(x) and its slope.
template <Curve curve>
LUTHIER_INSIDE float bent(float x) {
  if constexpr (curve == Curve::Silu) return x;
  if constexpr (curve == Curve::QuickGelu) return 1.702f * x;
  return 1.5957691216f * (x + 0.044715f * x * x * x);
}
template <Curve curve>
LUTHIER_INSIDE float bend(float x) {
  if constexpr (curve == Curve::Silu) return 1;
  if constexpr (curve == Curve::QuickGelu) return 1.702f;
  return 1.5957691216f * (1 + 0.134145f * x * x);
}

template <Curve curve>
LUTHIER_INSIDE float share_of(float x) {
  return 1 / (1 + exponential(-bent<curve>(x)));
}

template <Curve curve>
LUTHIER_INSIDE void activate_all(const float* x, const float* up, float* y, std::int64_t count) {
  if (up) {
    for (std::int64_t i = 0; i < count; ++i) y[i] = x[i] * share_of<curve>(x[i]) * up[i];
  } else {
    for (std::int64_t i = 0; i < count; ++i) y[i] = x[i] * share_of<curve>(x[i]);
  }
}

template <Curve curve>
LUTHIER_INSIDE void activate_all_back(const float* x, const float* up, const float* gradient,
                                      float* dx, float* dup, std::int64_t count) {
  if (up) {
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = x[i], share = share_of<curve>(value), given = gradient[i];
      dx[i] = given * up[i] * (share * (1 + value * (1 - share) * bend<curve>(value)));
      dup[i] = given * (value * share);
    }
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = x[i], share = share_of<curve>(value);
      dx[i] = gradient[i] * (share * (1 + value * (1 - share) * bend<curve>(value)));
    }
  }
}

/// So many bfloat16 numbers at a time are widened, computed with and rounded: loops that do all at
/// once are not made vectors of.
constexpr std::int64_t kBlock = 512;

LUTHIER_INSIDE void widen(const Bits* from, float* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = loaded(from[i]);
}
LUTHIER_INSIDE void narrow(const float* from, Bits* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) store(&to[i], from[i]);
}

template <Curve curve>
LUTHIER_INSIDE void activate_all(const Bits* x, const Bits* up, Bits* y, std::int64_t count) {
  float in[kBlock], ups[kBlock], out[kBlock];
  for (std::int64_t at = 0; at < count; at += kBlock) {
    const std::int64_t some = std::min(kBlock, count - at);
    widen(x + at, in, some);
    if (up) widen(up + at, ups, some);
    activate_all<curve>(in, up ? ups : nullptr, out, some);
    narrow(out, y + at, some);
  }
}

template <Curve curve>
LUTHIER_INSIDE void activate_all_back(const Bits* x, const Bits* up, const Bits* gradient, Bits* dx,
                                      Bits* dup, std::int64_t count) {
  float in[kBlock], ups[kBlock], given[kBlock], out[kBlock], out_up[kBlock];
  for (std::int64_t at = 0; at < count; at += kBlock) {
    const std::int64_t some = std::min(kBlock, count - at);
    widen(x + at, in, some);
    widen(gradient + at, given, some);
    if (up) widen(up + at, ups, some);
    activate_all_back<curve>(in, up ? ups : nullptr, given, out, up ? out_up : nullptr, some);
    narrow(out, dx + at, some);
    if (up) narrow(out_up, dup + at, some);
  }
}

LUTHIER_INSIDE void turn_head(const float* x, const float* cos, const float* sin, float* y,
                              std::int64_t half, float sign) {
  for (std::int64_t i = 0; i < half; ++i) y[i] = x[i] * cos[i] - x[half + i] * (sign * sin[i]);
  for (std::int64_t i = 0; i < half; ++i)
    y[half + i] = x[half + i] * cos[half + i] + x[i] * (sign * sin[half + i]);
}

/// A head is read before it is written: x and y may be the same.
LUTHIER_INSIDE void turn_all(const float* first_x, const float* cos, const float* sin,
                             float* first_y, const TurnShape& shape) {
  float in[kMostTurned];
  for (std::int64_t token = 0; token < shape.tokens; ++token) {
    const float* x = first_x + token * shape.x_step;
    float* y = first_y + token * shape.y_step;
    for (std::int64_t head = 0; head < shape.heads; ++head, x += shape.size, y += shape.size) {
      for (std::int64_t i = 0; i < shape.turned; ++i) in[i] = x[i];
      turn_head(in, cos, sin, y, shape.turned / 2, shape.sign);
      for (std::int64_t i = shape.turned; i < shape.size; ++i) y[i] = x[i];
    }
    cos += shape.turned, sin += shape.turned;
  }
}

LUTHIER_INSIDE void turn_all(const Bits* first_x, const Bits* cos, const Bits* sin, Bits* first_y,
                             const TurnShape& shape) {
  float in[kMostTurned], out[kMostTurned], cosines[kMostTurned], sines[kMostTurned];
  for (std::int64_t token = 0; token < shape.tokens; ++token) {
    widen(cos, cosines, shape.turned);
    widen(sin, sines, shape.turned);
    const Bits* x = first_x + token * shape.x_step;
    Bits* y = first_y + token * shape.y_step;
    for (std::int64_t head = 0; head < shape.heads; ++head, x += shape.size, y += shape.size) {
      widen(x, in, shape.turned);
      turn_head(in, cosines, sines, out, shape.turned / 2, shape.sign);
      narrow(out, y, shape.turned);
      for (std::int64_t i = shape.turned; i < shape.size; ++i) y[i] = x[i];
    }
    cos += shape.turned, sin += shape.turned;
  }
}

LUTHIER_INSIDE float largest(const float* x, std::int64_t count, float start) {
  float most[kStrands];
  for (float& each : most) each = start;
  std::int64_t i = 0;
  for (; i + kStrands <= count; i += kStrands)
    for (std::int64_t k = 0; k < kStrands; ++k) most[k] = x[i + k] > most[k] ? x[i + k] : most[k];
  for (std::int64_t k = 0; i + k < count; ++k) most[k] = x[i + k] > most[k] ? x[i + k] : most[k];
  for (const float each : most) start = each > start ? each : start;
  return start;
}

/// A block's powers are added up in float32, the blocks in float64: a vocabulary may be long.
LUTHIER_INSIDE float row_cross_entropy(float* row, std::int64_t target, std::int64_t size,
                                       bool gradient) {
  const float most = largest(row, size, row[0]), picked = row[target];
  double sum = 0;
  for (std::int64_t at = 0; at < size; at += kBlock) {
    const std::int64_t some = std::min(kBlock, size - at);
    float powers[kBlock];
    for (std::int64_t i = 0; i < some; ++i) powers[i] = exponential(row[at + i] - most);
    sum += static_cast<double>(row_sum(some, [&](std::int64_t i) { return powers[i]; }));
    if (!gradient) continue;
    for (std::int64_t i = 0; i < some; ++i) row[at + i] = powers[i];
  }
  const auto whole = static_cast<float>(sum);
  if (gradient) {
    for (std::int64_t i = 0; i < size; ++i) row[i] /= whole;
    row[target] -= 1;
  }
  return std::log(whole) + most - picked;
}

/// A row of logits by blocks that are widened first: `work(numbers, place, count)`.
template <class Work>
LUTHIER_INSIDE void by_blocks(const Bits* row, std::int64_t size, const Work& work) {
  float numbers[kBlock];
  for (std::int64_t at = 0; at < size; at += kBlock) {
    const std::int64_t some = std::min(kBlock, size - at);
    widen(row + at, numbers, some);
    work(numbers, at, some);
  }
}

LUTHIER_INSIDE float row_cross_entropy(Bits* row, std::int64_t target, std::int64_t size,
                                       bool gradient) {
  float most = loaded(row[0]), sum = 0;
  const float picked = loaded(row[target]);
  by_blocks(row, size, [&](const float* x, std::int64_t, std::int64_t count) {
    most = largest(x, count, most);
  });
  by_blocks(row, size, [&](const float* x, std::int64_t, std::int64_t count) {
    const float least = most;
    sum += row_sum(count, [=](std::int64_t i) { return exponential(x[i] - least); });
  });
  if (gradient) {
    by_blocks(row, size, [&](const float* x, std::int64_t place, std::int64_t count) {
      float made[kBlock];
      const float least = most, whole = sum;
      for (std::int64_t i = 0; i < count; ++i) made[i] = exponential(x[i] - least) / whole;
      narrow(made, row + place, count);
      if (target >= place && target < place + count) store(&row[target], made[target - place] - 1);
    });
  }
  return std::log(sum) + most - picked;
}

}  // namespace

// Each function by its type of numbers: a clone for each processor is made of functions alone.

LUTHIER_CLONED void rms_norm(const float* x, const float* weight, float* y, float* scale,
                             const NormShape& shape) {
  norm_rows(x, weight, y, scale, shape);
}
LUTHIER_CLONED void rms_norm(const Bits* x, const Bits* weight, Bits* y, float* scale,
                             const NormShape& shape) {
  norm_rows(x, weight, y, scale, shape);
}

LUTHIER_CLONED void sum_rms_norm(const float* x, const float* added, const float* weight,
                                 float* sum, float* y, float* scale, const NormShape& shape) {
  sum_and_norm_rows(x, added, weight, sum, y, scale, shape);
}
LUTHIER_CLONED void sum_rms_norm(const Bits* x, const Bits* added, const Bits* weight, Bits* sum,
                                 Bits* y, float* scale, const NormShape& shape) {
  sum_and_norm_rows(x, added, weight, sum, y, scale, shape);
}

LUTHIER_CLONED void rms_norm_back(const float* x, const float* weight, const float* scale,
                                  const float* gradient, const float* passed, float* dx,
                                  const NormShape& shape) {
  norm_rows_back(x, weight, scale, gradient, passed, dx, shape);
}
LUTHIER_CLONED void rms_norm_back(const Bits* x, const Bits* weight, const float* scale,
                                  const Bits* gradient, const Bits* passed, Bits* dx,
                                  const NormShape& shape) {
  norm_rows_back(x, weight, scale, gradient, passed, dx, shape);
}

LUTHIER_CLONED void activate(const float* x, const float* up, float* y, std::int64_t count,
                             Curve curve) {
  if (curve == Curve::Silu) return activate_all<Curve::Silu>(x, up, y, count);
  if (curve == Curve::QuickGelu) return activate_all<Curve::QuickGelu>(x, up, y, count);
  activate_all<Curve::GeluTanh>(x, up, y, count);
}
LUTHIER_CLONED void activate(const Bits* x, const Bits* up, Bits* y, std::int64_t count,
                             Curve curve) {
  if (curve == Curve::Silu) return activate_all<Curve::Silu>(x, up, y, count);
  if (curve == Curve::QuickGelu) return activate_all<Curve::QuickGelu>(x, up, y, count);
  activate_all<Curve::GeluTanh>(x, up, y, count);
}

LUTHIER_CLONED void activate_back(const float* x, const float* up, const float* gradient, float* dx,
                                  float* dup, std::int64_t count, Curve curve) {
  if (curve == Curve::Silu) return activate_all_back<Curve::Silu>(x, up, gradient, dx, dup, count);
  if (curve == Curve::QuickGelu)
    return activate_all_back<Curve::QuickGelu>(x, up, gradient, dx, dup, count);
  activate_all_back<Curve::GeluTanh>(x, up, gradient, dx, dup, count);
}
LUTHIER_CLONED void activate_back(const Bits* x, const Bits* up, const Bits* gradient, Bits* dx,
                                  Bits* dup, std::int64_t count, Curve curve) {
  if (curve == Curve::Silu) return activate_all_back<Curve::Silu>(x, up, gradient, dx, dup, count);
  if (curve == Curve::QuickGelu)
    return activate_all_back<Curve::QuickGelu>(x, up, gradient, dx, dup, count);
  activate_all_back<Curve::GeluTanh>(x, up, gradient, dx, dup, count);
}

LUTHIER_CLONED void turn(const float* x, const float* cos, const float* sin, float* y,
                         const TurnShape& shape) {
  turn_all(x, cos, sin, y, shape);
}
LUTHIER_CLONED void turn(const Bits* x, const Bits* cos, const Bits* sin, Bits* y,
                         const TurnShape& shape) {
  turn_all(x, cos, sin, y, shape);
}

LUTHIER_CLONED void cross_entropy(float* logits, const std::int64_t* targets, float* losses,
                                  const LogitShape& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    losses[row] =
        row_cross_entropy(logits + row * shape.size, targets[row], shape.size, shape.gradient);
  }
}
LUTHIER_CLONED void cross_entropy(Bits* logits, const std::int64_t* targets, float* losses,
                                  const LogitShape& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    losses[row] =
        row_cross_entropy(logits + row * shape.size, targets[row], shape.size, shape.gradient);
  }
}

}  // namespace luthier::loops
