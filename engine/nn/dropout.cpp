// SPDX-License-Identifier: GPL-3.0-or-later
// On the CPU an element's fate is an integer hash of its index, so that the loop runs in parallel
// and in vectors (a serial generator took longer than the products it served). A kernel of our own
// draws the same mask on CUDA; where none runs, ATen's generator draws another.
#include "engine/nn/dropout.h"

#include <bit>
#include <cmath>

#include <ATen/Parallel.h>

#include "engine/kernels/dropout.h"

namespace luthier {

namespace {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define LUTHIER_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LUTHIER_WIDE
#endif

/// Two multiply-xorshift rounds: every bit of the index reaches every bit of the result.
inline std::uint32_t scatter(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

/// Whether the element of this index stays. 31 bits: the comparison stays signed for the vector
/// units.
inline bool stays(std::uint32_t index, std::uint32_t seed, std::uint32_t seed_high,
                  std::uint32_t threshold) {
  return (scatter(scatter(index ^ seed) + seed_high) >> 1) >= threshold;
}

LUTHIER_WIDE void drop(const float* x, float* y, std::uint32_t begin, std::uint32_t count,
                       std::uint32_t seed, std::uint32_t seed_high, std::uint32_t threshold,
                       float scale) {
  for (std::uint32_t i = 0; i < count; ++i)
    y[i] = stays(begin + i, seed, seed_high, threshold) ? x[i] * scale : 0.0f;
}

/// bfloat16 numbers by their bits: the product is made in float32 and rounded to the nearest, to an
/// even one where two are as near.
LUTHIER_WIDE void drop(const std::uint16_t* x, std::uint16_t* y, std::uint32_t begin,
                       std::uint32_t count, std::uint32_t seed, std::uint32_t seed_high,
                       std::uint32_t threshold, float scale) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(x[i]) << 16) * scale;
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const std::uint32_t made = value == value ? rounded : 0x7fc0u;
    y[i] = static_cast<std::uint16_t>(stays(begin + i, seed, seed_high, threshold) ? made : 0u);
  }
}

/// The same, added to what stands in y.
LUTHIER_WIDE void drop_onto(const float* x, float* y, std::uint32_t begin, std::uint32_t count,
                            std::uint32_t seed, std::uint32_t seed_high, std::uint32_t threshold,
                            float scale) {
  for (std::uint32_t i = 0; i < count; ++i)
    y[i] += stays(begin + i, seed, seed_high, threshold) ? x[i] * scale : 0.0f;
}

LUTHIER_WIDE void drop_onto(const std::uint16_t* x, std::uint16_t* y, std::uint32_t begin,
                            std::uint32_t count, std::uint32_t seed, std::uint32_t seed_high,
                            std::uint32_t threshold, float scale) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const float added = std::bit_cast<float>(static_cast<std::uint32_t>(x[i]) << 16) * scale;
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(y[i]) << 16) + added;
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const std::uint32_t made = value == value ? rounded : 0x7fc0u;
    y[i] = static_cast<std::uint16_t>(stays(begin + i, seed, seed_high, threshold) ? made : y[i]);
  }
}

/// Calls `drop` (or drop_onto) for all numbers, in parallel.
template <bool kOnto, class Number>
void drop_all(const Number* x, Number* y, std::int64_t count, double p, std::uint64_t seed) {
  const auto threshold = static_cast<std::uint32_t>(std::llround(p * 2147483648.0));
  const auto scale = static_cast<float>(1 / (1 - p));
  at::parallel_for(0, count, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kBlock = 1ll << 32;
    for (std::int64_t at = begin; at < end;) {  // one index space of 32 bits at a time
      const std::int64_t stop = std::min(end, (at / kBlock + 1) * kBlock);
      const auto high = static_cast<std::uint32_t>(seed >> 32) +
                        static_cast<std::uint32_t>(at / kBlock) * 0x9e3779b9u;
      const auto begins = static_cast<std::uint32_t>(at),
                 some = static_cast<std::uint32_t>(stop - at),
                 low = static_cast<std::uint32_t>(seed);
      if constexpr (kOnto)
        drop_onto(x + at, y + at, begins, some, low, high, threshold, scale);
      else
        drop(x + at, y + at, begins, some, low, high, threshold, scale);
      at = stop;
    }
  });
}

}  // namespace

torch::Tensor dropped_by_generator(const torch::Tensor& x, double p, std::uint64_t seed) {
  at::Generator generator = at::globalContext().defaultGenerator(x.device()).clone();
  generator.set_current_seed(seed);
  const torch::Tensor keeps =
      torch::empty(x.sizes(), x.options().dtype(torch::kBool)).bernoulli_(1 - p, generator);
  // The factor is a number and not a tensor of x's type: 1 / (1 − p) in bfloat16 is up to 0.2 %
  // off.
  return x.detach().mul(1 / (1 - p)).mul_(keeps);
}

torch::Tensor dropped_out(const torch::Tensor& x, double p, std::uint64_t seed) {
  if (!x.is_cpu()) {
    if (auto made = kernels::dropped(x, p, seed, x.scalar_type())) return *made;
    return dropped_by_generator(x, p, seed);
  }
  if (x.scalar_type() == torch::kBFloat16) {
    const torch::Tensor from = x.detach().contiguous();
    torch::Tensor to = torch::empty_like(from);
    drop_all<false>(static_cast<const std::uint16_t*>(from.const_data_ptr()),
                    static_cast<std::uint16_t*>(to.mutable_data_ptr()), from.numel(), p, seed);
    return to;
  }
  const torch::Tensor from = x.detach().to(torch::kFloat32).contiguous();
  torch::Tensor to = torch::empty_like(from);
  drop_all<false>(from.const_data_ptr<float>(), to.mutable_data_ptr<float>(), from.numel(), p,
                  seed);
  return to.to(x.scalar_type());
}

void add_dropped_out(torch::Tensor& sum, const torch::Tensor& x, double p, std::uint64_t seed) {
  if (!sum.is_cpu() && kernels::add_dropped(sum, x, p, seed)) return;
  const torch::ScalarType type = sum.scalar_type();
  const bool narrow = type == torch::kBFloat16;
  if (!sum.is_cpu() || !sum.is_contiguous() || x.scalar_type() != type ||
      (!narrow && type != torch::kFloat32)) {
    sum.add_(dropped_out(x, p, seed));
    return;
  }
  const torch::Tensor from = x.detach().contiguous();
  if (narrow) {
    drop_all<true>(static_cast<const std::uint16_t*>(from.const_data_ptr()),
                   static_cast<std::uint16_t*>(sum.mutable_data_ptr()), from.numel(), p, seed);
  } else {
    drop_all<true>(from.const_data_ptr<float>(), sum.mutable_data_ptr<float>(), from.numel(), p,
                   seed);
  }
}

}  // namespace luthier
