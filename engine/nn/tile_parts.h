// SPDX-License-Identifier: GPL-3.0-or-later
// What loops over tiles are made of: the product of two pieces of memory, and laying out its right
// side. A left side is read as it stands, 16 rows at a time; a right side is laid out in tiles:
// [columns / 16][rows / 32], each 16 rows of 16 pairs, a pair being two numbers of a column below
// one another. For files that LUTHIER_HAS_TILES lets in.
#pragma once

#include <algorithm>
#include <cstring>

#include "engine/device/tile_registers.h"
#include "engine/nn/tile_loops.h"

#ifdef LUTHIER_HAS_TILES

namespace luthier::tiles {

constexpr std::int64_t kTile = 512;  ///< numbers of a tile of bfloat16

/// c [m, n] = (adds: +=) a [m, k] · b, all sizes multiples of kStep. `b_stride`: numbers from one
/// column of tiles to the next.
LUTHIER_TILED inline void product(Rows a, const Bits* b, std::int64_t b_stride, float* c,
                                  std::int64_t c_stride, std::int64_t m, std::int64_t n,
                                  std::int64_t k, bool adds) {
  const auto a_bytes = static_cast<std::size_t>(a.stride) * sizeof(Bits),
             c_bytes = static_cast<std::size_t>(c_stride) * sizeof(float);
  written(a.start);
  for (std::int64_t i = 0; i < m; i += kStep) {
    const Bits *upper = a.start + i * a.stride, *lower = upper + 16 * a.stride;
    for (std::int64_t j = 0; j < n; j += kStep) {
      const Bits *left = b + j / 16 * b_stride, *right = left + b_stride;
      float *to = c + i * c_stride + j, *below = to + 16 * c_stride;
      if (adds) {
        _tile_loadd(0, to, c_bytes);
        _tile_loadd(1, to + 16, c_bytes);
        _tile_loadd(2, below, c_bytes);
        _tile_loadd(3, below + 16, c_bytes);
      } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
      }
      for (std::int64_t t = 0; t < k / kStep; ++t) {
        _tile_loadd(4, upper + t * kStep, a_bytes);
        _tile_loadd(6, left + t * kTile, 64);
        _tile_loadd(7, right + t * kTile, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, lower + t * kStep, a_bytes);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      _tile_stored(0, to, c_bytes);
      _tile_stored(1, to + 16, c_bytes);
      _tile_stored(2, below, c_bytes);
      _tile_stored(3, below + 16, c_bytes);
    }
  }
}

/// Sixteen numbers, or as many zeros.
LUTHIER_TILED inline __m256i numbers_or_zeros(const Bits* from, bool real) {
  return real ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)) : _mm256_setzero_si256();
}
/// Sixteen numbers of two rows, pair by pair.
LUTHIER_TILED inline __m512i pairs_of(__m256i upper, __m256i lower) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(upper),
                         _mm512_slli_epi32(_mm512_cvtepu16_epi32(lower), 16));
}

/// The rows' transpose as a right side: [rows / 16][size / 32]. Rows from `count` to the next
/// multiple of kStep are zeros.
LUTHIER_TILED inline void pack_turned(Rows rows, std::int64_t count, std::int64_t size, Bits* to) {
  const __m512i places =
      _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                         _mm512_set1_epi32(static_cast<int>(rows.stride)));
  for (std::int64_t first = 0; first < padded(count); first += 16) {
    const std::int64_t real = std::clamp<std::int64_t>(count - first, 0, 16);
    const auto there = static_cast<__mmask16>((1u << real) - 1);
    const Bits* start = rows.start + first * rows.stride;
    for (std::int64_t from = 0; from < size; from += 2, to += 32) {
      _mm512_storeu_si512(to, _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there, places,
                                                          start + from, sizeof(Bits)));
    }
  }
}

/// The rows as a right side: [size / 16][rows / 32].
LUTHIER_TILED inline void pack(Rows rows, std::int64_t count, std::int64_t size, Bits* to) {
  const std::int64_t down = padded(count) / kStep;
  for (std::int64_t row = 0; row < padded(count); row += 2) {
    const Bits *upper = rows.start + row * rows.stride, *lower = upper + rows.stride;
    Bits* line = to + row / kStep * kTile + row % kStep / 2 * kStep;
    for (std::int64_t from = 0; from < size; from += 16, line += down * kTile) {
      _mm512_storeu_si512(line, pairs_of(numbers_or_zeros(upper + from, row < count),
                                         numbers_or_zeros(lower + from, row + 1 < count)));
    }
  }
}

/// Rows one after the other, zeros behind them.
inline void copy_rows(Rows rows, std::int64_t count, std::int64_t size, Bits* to) {
  const auto bytes = static_cast<std::size_t>(size) * sizeof(Bits);
  for (std::int64_t row = 0; row < count; ++row)
    std::memcpy(to + row * size, rows.start + row * rows.stride, bytes);
  std::memset(to + count * size, 0, static_cast<std::size_t>(padded(count) - count) * bytes);
}

LUTHIER_TILED inline __m512 widened(const Bits* from) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))), 16));
}

/// To the nearest, to an even one where two are as near.
LUTHIER_TILED inline __m256i narrowed(__m512 x) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
}

}  // namespace luthier::tiles
#endif
