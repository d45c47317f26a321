// SPDX-License-Identifier: GPL-3.0-or-later
// For files with loops in AVX-512's own instructions: LUTHIER_HAS_AVX512 where a compiler makes
// them; whoever calls such a loop has asked the processor.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define LUTHIER_HAS_AVX512
#include <immintrin.h>
// g++ 12 takes what its own header leaves undefined on purpose for a mistake.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define LUTHIER_AVX512 __attribute__((target("avx512f,fma")))

namespace luthier {

/// Of four registers the sum of each.
LUTHIER_AVX512 inline __m128 four_sums(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)),
               cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512 all =
      _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  return _mm_add_ps(_mm_add_ps(_mm512_castps512_ps128(all), _mm512_extractf32x4_ps(all, 1)),
                    _mm_add_ps(_mm512_extractf32x4_ps(all, 2), _mm512_extractf32x4_ps(all, 3)));
}

}  // namespace luthier
#endif
