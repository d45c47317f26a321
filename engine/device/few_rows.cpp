// SPDX-License-Identifier: GPL-3.0-or-later
// Four rows of the weight beside up to six of x at a time: as many sums as registers hold, and each
// number that is read takes part in several of them.
#include "engine/device/few_rows.h"

#include <algorithm>

#include "engine/device/parallel.h"
#include "engine/device/wide_registers.h"

namespace luthier::few_rows {

#ifdef LUTHIER_HAS_AVX512

namespace {

constexpr int kBeside = 4, kTall = 6;
constexpr std::int64_t kLanes = 16;
/// Multiplications that are worth a thread: some tens of microseconds.
constexpr std::int64_t kPiece = 1 << 18;

/// Of four registers the sum of each.
LUTHIER_AVX512 inline __m128 four_sums(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)),
               cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512 all =
      _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  return _mm_add_ps(_mm_add_ps(_mm512_castps512_ps128(all), _mm512_extractf32x4_ps(all, 1)),
                    _mm_add_ps(_mm512_extractf32x4_ps(all, 2), _mm512_extractf32x4_ps(all, 3)));
}

/// The sums of `Rows` rows of x with four of the weight. `present` of these are its own; those that
/// fill up are the last again.
template <int Rows>
LUTHIER_AVX512 void tile(const Product& p, std::int64_t row, std::int64_t column, int present) {
  const float* weight[kBeside];
  for (int j = 0; j < kBeside; ++j)
    weight[j] = p.weight + (column + std::min(j, present - 1)) * p.weight_stride;
  const float* const x = p.x + row * p.x_stride;
  __m512 sum[Rows][kBeside];
#pragma GCC unroll 6
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kBeside; ++j) sum[i][j] = _mm512_setzero_ps();
  }
  std::int64_t k = 0;
  for (; k + kLanes <= p.in; k += kLanes) {
    __m512 beside[kBeside];
#pragma GCC unroll 4
    for (int j = 0; j < kBeside; ++j) beside[j] = _mm512_loadu_ps(weight[j] + k);
#pragma GCC unroll 6
    for (int i = 0; i < Rows; ++i) {
      const __m512 own = _mm512_loadu_ps(x + i * p.x_stride + k);
#pragma GCC unroll 4
      for (int j = 0; j < kBeside; ++j) sum[i][j] = _mm512_fmadd_ps(own, beside[j], sum[i][j]);
    }
  }
  if (k < p.in) {
    const auto lanes = static_cast<__mmask16>((1u << (p.in - k)) - 1);
    __m512 beside[kBeside];
#pragma GCC unroll 4
    for (int j = 0; j < kBeside; ++j) beside[j] = _mm512_maskz_loadu_ps(lanes, weight[j] + k);
#pragma GCC unroll 6
    for (int i = 0; i < Rows; ++i) {
      const __m512 own = _mm512_maskz_loadu_ps(lanes, x + i * p.x_stride + k);
#pragma GCC unroll 4
      for (int j = 0; j < kBeside; ++j) sum[i][j] = _mm512_fmadd_ps(own, beside[j], sum[i][j]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < Rows; ++i) {
    alignas(16) float made[kBeside];
    _mm_store_ps(made, four_sums(sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
    float* const to = p.result + (row + i) * p.result_stride + column;
    for (int j = 0; j < present; ++j) {
      const float scaled = p.scale * made[j];
      to[j] = p.adds ? to[j] + scaled : p.bias ? scaled + p.bias[column + j] : scaled;
    }
  }
}

void tiles_of(const Product& p, int rows, std::int64_t row, std::int64_t column, int present) {
  switch (rows) {
    case 1: return tile<1>(p, row, column, present);
    case 2: return tile<2>(p, row, column, present);
    case 3: return tile<3>(p, row, column, present);
    case 4: return tile<4>(p, row, column, present);
    case 5: return tile<5>(p, row, column, present);
    default: return tile<kTall>(p, row, column, present);
  }
}

}  // namespace

bool available() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma");
  return has;
}

void product(const Product& p) {
  const std::int64_t fours = (p.out + kBeside - 1) / kBeside, turns = (p.rows + kTall - 1) / kTall;
  const std::int64_t grain =
      std::max<std::int64_t>(1, kPiece / std::max<std::int64_t>(1, kBeside * p.rows * p.in));
  for_pieces(0, fours, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t four = first; four < last; ++four) {
      const std::int64_t column = four * kBeside;
      const int present = static_cast<int>(std::min<std::int64_t>(kBeside, p.out - column));
      // Rows are shared out evenly: of seven, four and three.
      for (std::int64_t turn = 0, row = 0; turn < turns; ++turn) {
        const std::int64_t end = p.rows * (turn + 1) / turns;
        tiles_of(p, static_cast<int>(end - row), row, column, present);
        row = end;
      }
    }
  });
}

#else

bool available() { return false; }
void product(const Product&) {}

#endif

}  // namespace luthier::few_rows
