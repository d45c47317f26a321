// SPDX-License-Identifier: GPL-3.0-or-later
// Which places of a dropout mask stay: an integer hash of seed and place, for the loops that draw
// it (nn/dropout, nn/low_rank_loops). The CUDA kernel (engine/kernels) has the same.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/nn/powers.h"

namespace luthier {

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

/// What decides of all places of one mask, and what those that stay are multiplied by.
struct MaskRule {
  MaskRule(double p, std::uint64_t all_of_seed)
      : seed(static_cast<std::uint32_t>(all_of_seed)),
        threshold(static_cast<std::uint32_t>(std::llround(p * 2147483648.0))),
        scale(static_cast<float>(1 / (1 - p))),
        seed_of_first_(static_cast<std::uint32_t>(all_of_seed >> 32)) {}
  /// An index has 32 bits; each such space of places has another seed.
  std::uint32_t seed_high(std::int64_t place) const {
    return seed_of_first_ + static_cast<std::uint32_t>(place >> 32) * 0x9e3779b9u;
  }
  std::uint32_t seed, threshold;
  float scale;

 private:
  std::uint32_t seed_of_first_;
};

#ifdef LUTHIER_HAS_AVX512

LUTHIER_AVX512 inline __m512i scatter(__m512i x) {
  x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
  x = _mm512_mullo_epi32(x, _mm512_set1_epi32(0x7feb352d));
  x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 15));
  x = _mm512_mullo_epi32(x, _mm512_set1_epi32(static_cast<int>(0x846ca68bu)));
  return _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
}

/// Which of the sixteen places from `place`, a multiple of sixteen, stay.
LUTHIER_AVX512 inline __mmask16 sixteen_stay(const MaskRule& rule, std::int64_t place) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i index = _mm512_add_epi32(
      lanes, _mm512_set1_epi32(static_cast<int>(static_cast<std::uint32_t>(place))));
  __m512i hash = scatter(_mm512_xor_si512(index, _mm512_set1_epi32(static_cast<int>(rule.seed))));
  hash = scatter(
      _mm512_add_epi32(hash, _mm512_set1_epi32(static_cast<int>(rule.seed_high(place)))));
  return _mm512_cmpge_epi32_mask(_mm512_srli_epi32(hash, 1),
                                 _mm512_set1_epi32(static_cast<int>(rule.threshold)));
}

#endif

}  // namespace luthier
