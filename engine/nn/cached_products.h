// SPDX-License-Identifier: GPL-3.0-or-later
// Products of float32 matrices that stay in the processor's cache, by AVX-512: what loops of our
// own for attention and for the gated delta rule are made of. A left side is read number by number,
// each spread over a register, so it may as well be read transposed; a right side is read sixteen
// neighbours at a time. Eight rows of 32 columns are made at a time: sixteen sums in registers, as
// many as hide their latency. For files that LUTHIER_HAS_AVX512 lets in.
#pragma once

#include "engine/nn/powers.h"

#ifdef LUTHIER_HAS_AVX512

namespace luthier::floats {

constexpr int kTall = 8;                ///< rows that are made at a time
constexpr std::int64_t kRegister = 16;  ///< numbers

/// A left side: number (row, place) stands at start[row · down + place · across].
struct Left {
  const float* start;
  std::int64_t down, across;
};

/// A right side: numbers (place, column) of 32 columns stand at start[place · down + column], those
/// of the next 32 columns `panel` numbers further. All begin at multiples of 64 bytes.
struct Right {
  const float* start;
  std::int64_t down, panel;
};
/// Of a matrix as it lies, row by row.
inline Right whole_rows(const float* start, std::int64_t width) { return {start, width, 32}; }

/// Eight rows of `Registers` · 16 columns.
template <int Registers>
LUTHIER_AVX512 inline void eight_rows(Left a, const float* b, std::int64_t down, float* c,
                                      std::int64_t c_stride, std::int64_t k, bool adds) {
  __m512 sum[kTall][Registers];
#pragma GCC unroll 8
  for (int row = 0; row < kTall; ++row) {
#pragma GCC unroll 2
    for (int i = 0; i < Registers; ++i)
      sum[row][i] = adds ? _mm512_load_ps(c + row * c_stride + i * kRegister) : _mm512_setzero_ps();
  }
  for (std::int64_t t = 0; t < k; ++t, a.start += a.across, b += down) {
    __m512 beside[Registers];
#pragma GCC unroll 2
    for (int i = 0; i < Registers; ++i) beside[i] = _mm512_load_ps(b + i * kRegister);
#pragma GCC unroll 8
    for (int row = 0; row < kTall; ++row) {
      const __m512 number = _mm512_set1_ps(a.start[row * a.down]);
#pragma GCC unroll 2
      for (int i = 0; i < Registers; ++i)
        sum[row][i] = _mm512_fmadd_ps(number, beside[i], sum[row][i]);
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kTall; ++row) {
#pragma GCC unroll 2
    for (int i = 0; i < Registers; ++i)
      _mm512_store_ps(c + row * c_stride + i * kRegister, sum[row][i]);
  }
}

/// c [m, n] = (adds: +=) a [m, k] · b [k, n]; m a multiple of kTall, n of kRegister, and c's rows
/// begin at multiples of 64 bytes.
LUTHIER_AVX512 inline void product(Left a, Right b, float* c, std::int64_t c_stride, std::int64_t m,
                                   std::int64_t n, std::int64_t k, bool adds) {
  for (std::int64_t j = 0; j < n; j += 2 * kRegister, b.start += b.panel) {
    for (std::int64_t i = 0; i < m; i += kTall) {
      const Left rows{a.start + i * a.down, a.down, a.across};
      float* const to = c + i * c_stride + j;
      if (j + kRegister < n)
        eight_rows<2>(rows, b.start, b.down, to, c_stride, k, adds);
      else
        eight_rows<1>(rows, b.start, b.down, to, c_stride, k, adds);
    }
  }
}

/// Four sums, so that none waits for itself; `count` a multiple of kRegister.
LUTHIER_AVX512 inline float inner_product(const float* a, const float* b, std::int64_t count) {
  __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                   _mm512_setzero_ps()};
  std::int64_t i = 0;
  for (; i + 4 * kRegister <= count; i += 4 * kRegister) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k)
      sum[k] = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + k * kRegister),
                               _mm512_loadu_ps(b + i + k * kRegister), sum[k]);
  }
  for (; i < count; i += kRegister)
    sum[0] = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum[0]);
  return _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

/// Lays parts out one after the other, each at a multiple of 64 bytes.
class Layout {
 public:
  explicit Layout(void* start) : start_(static_cast<char*>(start)) {}
  template <class Number>
  void take(Number*& part, std::int64_t count) {
    part = reinterpret_cast<Number*>(start_ + used_);
    used_ += (count * static_cast<std::int64_t>(sizeof(Number)) + 63) / 64 * 64;
  }
  std::int64_t used() const { return used_; }

 private:
  char* start_;
  std::int64_t used_ = 0;
};

/// Of two registers the numbers that stand in pairs, from both in turn: the even pairs, the odd.
LUTHIER_AVX512 inline __m512 even_pairs(__m512 a, __m512 b) {
  return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}
LUTHIER_AVX512 inline __m512 odd_pairs(__m512 a, __m512 b) {
  return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}

/// Sixteen rows of sixteen numbers, turned.
LUTHIER_AVX512 inline void turn_square(const float* from, std::int64_t from_stride, float* to,
                                       std::int64_t to_stride) {
  __m512 row[16], pair[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) row[i] = _mm512_loadu_ps(from + i * from_stride);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    pair[i] = _mm512_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm512_unpackhi_ps(row[i], row[i + 1]);
  }
  // Of four rows each: numbers 0, 4, 8 and 12 of them in row[i], those one further in the next.
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    row[i] = even_pairs(pair[i], pair[i + 2]);
    row[i + 1] = odd_pairs(pair[i], pair[i + 2]);
    row[i + 2] = even_pairs(pair[i + 1], pair[i + 3]);
    row[i + 3] = odd_pairs(pair[i + 1], pair[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512 a = _mm512_shuffle_f32x4(row[i], row[4 + i], 0x44),
                 b = _mm512_shuffle_f32x4(row[8 + i], row[12 + i], 0x44),
                 c = _mm512_shuffle_f32x4(row[i], row[4 + i], 0xee),
                 d = _mm512_shuffle_f32x4(row[8 + i], row[12 + i], 0xee);
    _mm512_storeu_ps(to + i * to_stride, _mm512_shuffle_f32x4(a, b, 0x88));
    _mm512_storeu_ps(to + (4 + i) * to_stride, _mm512_shuffle_f32x4(a, b, 0xdd));
    _mm512_storeu_ps(to + (8 + i) * to_stride, _mm512_shuffle_f32x4(c, d, 0x88));
    _mm512_storeu_ps(to + (12 + i) * to_stride, _mm512_shuffle_f32x4(c, d, 0xdd));
  }
}

/// `rows` of `columns` numbers, both multiples of sixteen: to[column][row].
inline void turn_panel(const float* from, std::int64_t from_stride, std::int64_t rows,
                       std::int64_t columns, float* to, std::int64_t to_stride) {
  for (std::int64_t row = 0; row < rows; row += kRegister)
    for (std::int64_t column = 0; column < columns; column += kRegister)
      turn_square(from + row * from_stride + column, from_stride, to + column * to_stride + row,
                  to_stride);
}

}  // namespace luthier::floats

#endif
