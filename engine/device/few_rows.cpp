// SPDX-License-Identifier: GPL-3.0-or-later
// Four rows of the weight beside up to six of x at a time: as many sums as registers hold, and each
// number that is read takes part in several of them. Some rows of x pass a piece of the weight, and
// the first cache holds both; meanwhile the next piece comes into the second: the first to pass
// would wait for memory, and the others leave it idle.
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
/// Numbers of a weight that stay in a core's first cache while all rows of x pass them.
constexpr std::int64_t kNear = 1 << 12;

/// Rows of the weight that come near while others are at work.
struct Ahead {
  const float* weight = nullptr;
  int rows = 0;
};

/// The sums of `Rows` rows of x with four of the weight. `present` of these are its own; those that
/// fill up are the last again.
template <int Rows>
LUTHIER_AVX512 void tile(const Product& p, std::int64_t row, std::int64_t column, int present,
                         const Ahead& ahead) {
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
    for (int j = 0; j < ahead.rows; ++j)
      __builtin_prefetch(ahead.weight + j * p.weight_stride + k, /*write=*/0, /*locality=*/2);
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
    const __m128 made =
        _mm_mul_ps(_mm_set1_ps(p.scale), four_sums(sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
    float* const to = p.result + (row + i) * p.result_stride + column;
    const float* const before = p.adds ? to : p.bias ? p.bias + column : nullptr;
    if (present == kBeside) {
      _mm_storeu_ps(to, before ? _mm_add_ps(_mm_loadu_ps(before), made) : made);
      continue;
    }
    alignas(16) float each[kBeside];
    _mm_store_ps(each, made);
    for (int j = 0; j < present; ++j) to[j] = before ? before[j] + each[j] : each[j];
  }
}

/// What one of `turns` asks for of the four from `column` on.
Ahead ahead_of(const Product& p, std::int64_t column, std::int64_t turn, std::int64_t turns) {
  const std::int64_t each = (kBeside + turns - 1) / turns, first = column + turn * each,
                     end = std::min({first + each, column + kBeside, p.out});
  if (first >= end) return {};
  return {p.weight + first * p.weight_stride, static_cast<int>(end - first)};
}

void tiles_of(const Product& p, int rows, std::int64_t row, std::int64_t column, int present,
              const Ahead& ahead) {
  switch (rows) {
    case 1: return tile<1>(p, row, column, present, ahead);
    case 2: return tile<2>(p, row, column, present, ahead);
    case 3: return tile<3>(p, row, column, present, ahead);
    case 4: return tile<4>(p, row, column, present, ahead);
    case 5: return tile<5>(p, row, column, present, ahead);
    default: return tile<kTall>(p, row, column, present, ahead);
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
  const std::int64_t many =
      std::max<std::int64_t>(1, kNear / (kBeside * std::max<std::int64_t>(1, p.in)));
  for_pieces(0, fours, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t begin = first; begin < last; begin += many) {
      const std::int64_t end = std::min(last, begin + many);
      // Rows are shared out evenly: of seven, four and three.
      for (std::int64_t turn = 0; turn < turns; ++turn) {
        const std::int64_t row = p.rows * turn / turns, behind = p.rows * (turn + 1) / turns;
        for (std::int64_t four = begin; four < end; ++four) {
          const std::int64_t column = four * kBeside;
          const Ahead ahead =
              four + many < last ? ahead_of(p, column + many * kBeside, turn, turns) : Ahead();
          const int present = static_cast<int>(std::min<std::int64_t>(kBeside, p.out - column));
          tiles_of(p, static_cast<int>(behind - row), row, column, present, ahead);
        }
      }
    }
  });
}

#else

bool available() { return false; }
void product(const Product&) {}

#endif

}  // namespace luthier::few_rows
