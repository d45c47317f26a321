// SPDX-License-Identifier: GPL-3.0-or-later
// On the CPU an element's fate is an integer hash of its index, so that the loop runs in parallel
// and in vectors (a serial generator took longer than the products it served). On CUDA ATen's own
// generator draws as fast as memory allows.
#include "engine/nn/dropout.h"

#include <cmath>

#include <ATen/Parallel.h>

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

LUTHIER_WIDE void drop(const float* x, float* y, std::uint32_t begin, std::uint32_t count,
                       std::uint32_t seed, std::uint32_t seed_high, std::uint32_t threshold,
                       float scale) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t bits = scatter(scatter((begin + i) ^ seed) + seed_high);
    y[i] = (bits >> 1) >= threshold
               ? x[i] * scale
               : 0.0f;  // 31 bits: the comparison stays signed for the vector units
  }
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
  if (!x.is_cpu()) return dropped_by_generator(x, p, seed);
  const torch::Tensor from = x.detach().to(torch::kFloat32).contiguous();
  torch::Tensor to = torch::empty_like(from);
  const float* source = from.const_data_ptr<float>();
  float* target = to.mutable_data_ptr<float>();
  const auto threshold = static_cast<std::uint32_t>(std::llround(p * 2147483648.0));
  const auto scale = static_cast<float>(1 / (1 - p));
  at::parallel_for(0, from.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kBlock = 1ll << 32;
    for (std::int64_t at = begin; at < end;) {  // one index space of 32 bits at a time
      const std::int64_t stop = std::min(end, (at / kBlock + 1) * kBlock);
      const auto high = static_cast<std::uint32_t>(seed >> 32) +
                        static_cast<std::uint32_t>(at / kBlock) * 0x9e3779b9u;
      drop(source + at, target + at, static_cast<std::uint32_t>(at),
           static_cast<std::uint32_t>(stop - at), static_cast<std::uint32_t>(seed), high, threshold,
           scale);
      at = stop;
    }
  });
  return x.scalar_type() == torch::kFloat32 ? to : to.to(x.scalar_type());
}

}  // namespace luthier
