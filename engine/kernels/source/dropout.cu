// SPDX-License-Identifier: GPL-3.0-or-later
// The masks of nn/dropout.cpp, bit for bit: an element's fate is an integer hash of seed and place,
// so that a run draws the same mask on either kind of device. The seed comes with the launch, or
// from memory where the launch is recorded and done again under other seeds.
#include "common.cuh"

/// Two multiply-xorshift rounds: every bit of the index reaches every bit of the result.
__device__ inline unsigned scattered(unsigned x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

__device__ inline bool remains(long long place, unsigned seed, unsigned seed_high,
                               unsigned threshold) {
  const unsigned high = seed_high + static_cast<unsigned>(place >> 32) * 0x9e3779b9u;
  return (scattered(scattered(static_cast<unsigned>(place) ^ seed) + high) >> 1) >= threshold;
}

/// y = dropped x, rounded to x's type and then held in y's; `adds`: added to what stands in y, and
/// rounded once, behind the sum.
template <class From, class To, int kWide>
__device__ void drop_all(const From* x, To* y, long long count, unsigned seed, unsigned seed_high,
                         unsigned threshold, float scale, bool adds) {
  float values[kWide], sums[kWide];
  const long long step = static_cast<long long>(gridDim.x) * blockDim.x * kWide;
  for (long long i = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) * kWide;
       i < count; i += step) {
    load<kWide>(x + i, values);
    for (int j = 0; j < kWide; ++j) {
      const float made = adds ? values[j] * scale : rounded<From>(values[j] * scale);
      values[j] = remains(i + j, seed, seed_high, threshold) ? made : 0.0f;
    }
    if (adds) {
      load<kWide>(y + i, sums);
      for (int j = 0; j < kWide; ++j) values[j] += sums[j];
    }
    store<kWide>(y + i, values);
  }
}

/// `standing`: the seed's low and high half, in the place of the others where it is not null.
#define DROPOUT_KERNEL(From, from, To, to)                                                        \
  LUTHIER_KERNEL(256)                                                                             \
  dropout_##from##_##to(const From* x, To* y, long long count, unsigned seed, unsigned seed_high, \
                        unsigned threshold, float scale, int adds, int wide,                      \
                        const unsigned* standing) {                                               \
    if (standing) {                                                                               \
      seed = standing[0];                                                                         \
      seed_high = standing[1];                                                                    \
    }                                                                                             \
    if (wide)                                                                                     \
      drop_all<From, To, 4>(x, y, count, seed, seed_high, threshold, scale, adds);                \
    else                                                                                          \
      drop_all<From, To, 1>(x, y, count, seed, seed_high, threshold, scale, adds);                \
  }

DROPOUT_KERNEL(float, float, float, float)
DROPOUT_KERNEL(float, float, Bfloat16, bfloat16)
DROPOUT_KERNEL(Bfloat16, bfloat16, float, float)
DROPOUT_KERNEL(Bfloat16, bfloat16, Bfloat16, bfloat16)
