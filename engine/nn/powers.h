// SPDX-License-Identifier: GPL-3.0-or-later
// What loops that are written in AVX-512's own instructions share: e to sixteen powers at once, and
// which of sixteen lanes count. For files that LUTHIER_HAS_AVX512 lets in; whoever calls them has
// asked the processor.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/device/wide_registers.h"

#ifdef LUTHIER_HAS_AVX512

namespace luthier {

/// As cpu_loops' exponential: 2ⁿ · e^r with |r| ≤ ln 2 / 2 and the polynomial of Cephes' expf. What
/// is no number stays none: of two the instructions give the second then.
LUTHIER_AVX512 inline __m512 exponential(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-87.0f), _mm512_min_ps(_mm512_set1_ps(88.0f), x));
  const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
  __m512 r = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fmadd_ps(whole, _mm512_set1_ps(2.12194440e-4f), r);
  __m512 sum = _mm512_set1_ps(1.9875691500e-4f);
  for (const float next :
       {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(next));
  sum = _mm512_add_ps(_mm512_fmadd_ps(sum, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(sum, whole);
}

/// The lanes of the sixteen numbers from `at` that stand before `end`.
inline std::uint16_t lanes_before(std::int64_t at, std::int64_t end) {
  const std::int64_t count = std::clamp<std::int64_t>(end - at, 0, 16);
  return static_cast<std::uint16_t>((1u << count) - 1);
}

/// The lanes of the sixteen numbers from `at` that stand at `first` or behind it, before `end`.
inline std::uint16_t lanes_between(std::int64_t at, std::int64_t first, std::int64_t end) {
  return static_cast<std::uint16_t>(lanes_before(at, end) & ~lanes_before(at, first));
}

/// The largest of the numbers `first` up to the one before `end` of `scores`, 64-byte aligned.
LUTHIER_AVX512 inline float largest_score(const float* scores, std::int64_t first,
                                          std::int64_t end) {
  const __m512 lowest = _mm512_set1_ps(-3.4e38f);
  __m512 most = lowest;
  for (std::int64_t i = first / 16 * 16; i < end; i += 16)
    most =
        _mm512_max_ps(_mm512_mask_load_ps(lowest, lanes_between(i, first, end), scores + i), most);
  return _mm512_reduce_max_ps(most);
}

}  // namespace luthier
#endif
