// SPDX-License-Identifier: GPL-3.0-or-later
// Some rows at a time: sums of each stand in registers while the other side is read once. A and B
// are laid out in panels of sixteen ranks, zeros behind the last. Rows go in as many stretches as
// there are threads; sums over rows are kept for each stretch and added in their order, so the same
// number of threads gives the same bits.
#include "engine/nn/low_rank_loops.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <ATen/Parallel.h>

#include "engine/device/parallel.h"
#include "engine/nn/float_loops.h"
#include "engine/nn/mask_places.h"

namespace luthier::low_rank {

using torch::Tensor;

#ifdef LUTHIER_HAS_AVX512

namespace {

constexpr std::int64_t kLanes = 16, kMostRanks = 64;
constexpr int kTall = 16;              ///< rows at a time where each has one sum in a register
constexpr int kHalf = 8;               ///< where each has two
constexpr std::int64_t kWide = 256;    ///< columns that are masked at a time
constexpr std::int64_t kApart = 272;   ///< from one row of those to the next: other cache sets
constexpr std::int64_t kStretch = 64;  ///< rows that are worth a thread

const float* numbers_of(const Tensor& tensor) { return tensor.const_data_ptr<float>(); }
float* room_of(const Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }
std::size_t bytes_of(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); }
std::int64_t panels_of(std::int64_t rank) { return (rank + kLanes - 1) / kLanes; }

/// work(stretch, first row, end) for each, in parallel.
template <class Work>
void for_stretches_of_rows(std::int64_t rows, std::int64_t stretches, const Work& work) {
  for_pieces(0, stretches, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      work(i, rows * i / stretches, rows * (i + 1) / stretches);
  });
}
std::int64_t stretches_of(std::int64_t rows) {
  return std::clamp<std::int64_t>(rows / kStretch, 1, at::get_num_threads());
}

/// [panels][count][16] of a matrix of `rank` rows (`down` 1, `across` what a row takes) or columns:
/// number (place, rank) stands at from[place · along + rank · across].
Tensor panels(const float* from, std::int64_t rank, std::int64_t count, std::int64_t across,
              std::int64_t along) {
  const Tensor made = torch::zeros({panels_of(rank), count, kLanes}, torch::kFloat32);
  float* to = room_of(made);
  for (std::int64_t q = 0; q < rank; ++q) {
    float* const lane = to + q / kLanes * count * kLanes + q % kLanes;
    for (std::int64_t i = 0; i < count; ++i) lane[i * kLanes] = from[i * along + q * across];
  }
  return made;
}

/// Rows of `inner` with zeros up to kMostRanks behind them and below them.
void copy_ranks(const float* inner, std::int64_t rows, std::int64_t rank, int most, float* to) {
  std::memset(to, 0, bytes_of(most * kMostRanks));
  for (std::int64_t row = 0; row < rows; ++row)
    std::memcpy(to + row * kMostRanks, inner + row * rank, bytes_of(rank));
}

struct Shape {
  std::int64_t in, out, rank;
};

/// `stage` [16][kApart]: columns [from, from + wide) of rows first …, masked; zeros below them.
LUTHIER_AVX512 void mask_rows(const float* x, std::int64_t in, std::int64_t first,
                              std::int64_t rows, std::int64_t from, std::int64_t wide,
                              const MaskRule& rule, float* stage) {
  const __m512 scale = _mm512_set1_ps(rule.scale);
  for (std::int64_t row = 0; row < kTall; ++row, stage += kApart) {
    if (row >= rows) {
      std::memset(stage, 0, bytes_of(wide));
      continue;
    }
    const std::int64_t place = (first + row) * in + from;
    if (rule.threshold == 0) {  // all stay
      std::memcpy(stage, x + place, bytes_of(wide));
      continue;
    }
    for (std::int64_t i = 0; i < wide; i += kLanes) {
      const __mmask16 there = sixteen_stay(rule, place + i);
      _mm512_store_ps(stage + i, _mm512_maskz_mul_ps(there, _mm512_loadu_ps(x + place + i), scale));
    }
  }
}

/// inner [., rank] of rows [first, end). `a`: panels of A.
LUTHIER_AVX512 void make_inner(const float* x, const Shape& shape, const float* a, float scale,
                               const MaskRule& rule, std::int64_t first, std::int64_t end,
                               float* inner) {
  alignas(64) float stage[kTall * kApart], sums[kMostRanks / kLanes][kTall][kLanes];
  const std::int64_t count = panels_of(shape.rank);
  for (; first < end; first += kTall) {
    const std::int64_t rows = std::min<std::int64_t>(kTall, end - first);
    std::memset(sums, 0, sizeof sums);
    for (std::int64_t from = 0; from < shape.in; from += kWide) {
      const std::int64_t wide = std::min(kWide, shape.in - from);
      mask_rows(x, shape.in, first, rows, from, wide, rule, stage);
      for (std::int64_t panel = 0; panel < count; ++panel) {
        __m512 sum[kTall];
#pragma GCC unroll 16
        for (int row = 0; row < kTall; ++row) sum[row] = _mm512_load_ps(sums[panel][row]);
        const float* beside = a + (panel * shape.in + from) * kLanes;
        for (std::int64_t i = 0; i < wide; ++i, beside += kLanes) {
          const __m512 ranks = _mm512_load_ps(beside);
#pragma GCC unroll 16
          for (int row = 0; row < kTall; ++row)
            sum[row] = _mm512_fmadd_ps(_mm512_set1_ps(stage[row * kApart + i]), ranks, sum[row]);
        }
#pragma GCC unroll 16
        for (int row = 0; row < kTall; ++row) _mm512_store_ps(sums[panel][row], sum[row]);
      }
    }
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t q = 0; q < shape.rank; ++q)
        inner[(first + row) * shape.rank + q] = sums[q / kLanes][row][q % kLanes] * scale;
  }
}

/// y += inner · B of sixteen rows, `stride` apart; `b` [rank, out], `ranks` [16][kMostRanks].
LUTHIER_AVX512 void add_outer_rows(float* y, std::int64_t stride, const Shape& shape,
                                   const float* ranks, const float* b) {
  for (std::int64_t j = 0; j < shape.out; j += kLanes) {
    __m512 sum[kTall];
#pragma GCC unroll 16
    for (int row = 0; row < kTall; ++row) sum[row] = _mm512_loadu_ps(y + row * stride + j);
    for (std::int64_t q = 0; q < shape.rank; ++q) {
      const __m512 beside = _mm512_loadu_ps(b + q * shape.out + j);
#pragma GCC unroll 16
      for (int row = 0; row < kTall; ++row)
        sum[row] = _mm512_fmadd_ps(_mm512_set1_ps(ranks[row * kMostRanks + q]), beside, sum[row]);
    }
#pragma GCC unroll 16
    for (int row = 0; row < kTall; ++row) _mm512_storeu_ps(y + row * stride + j, sum[row]);
  }
}

/// Of eight rows and one panel: dinner [8][16], and what they add to B's gradient (`db` [out][16]).
LUTHIER_AVX512 void inner_gradient_rows(const float* const* gradient, std::int64_t out,
                                        const float* ranks, const float* b, float* dinner,
                                        float* db) {
  __m512 sum[kHalf], own[kHalf];
#pragma GCC unroll 8
  for (int row = 0; row < kHalf; ++row) {
    sum[row] = _mm512_setzero_ps();
    own[row] = _mm512_load_ps(ranks + row * kMostRanks);
  }
  for (std::int64_t j = 0; j < out; ++j) {
    const __m512 beside = _mm512_load_ps(b + j * kLanes);
    __m512 even = _mm512_load_ps(db + j * kLanes), odd = _mm512_setzero_ps();
#pragma GCC unroll 4
    for (int row = 0; row < kHalf; row += 2) {
      const __m512 first = _mm512_set1_ps(gradient[row][j]),
                   second = _mm512_set1_ps(gradient[row + 1][j]);
      sum[row] = _mm512_fmadd_ps(first, beside, sum[row]);
      sum[row + 1] = _mm512_fmadd_ps(second, beside, sum[row + 1]);
      even = _mm512_fmadd_ps(first, own[row], even);
      odd = _mm512_fmadd_ps(second, own[row + 1], odd);
    }
    _mm512_store_ps(db + j * kLanes, _mm512_add_ps(even, odd));
  }
#pragma GCC unroll 8
  for (int row = 0; row < kHalf; ++row) _mm512_store_ps(dinner + row * kLanes, sum[row]);
}

/// Of eight rows: drop(dinner A) onto dx, and what they add to A's gradient (`da` [rank, in]).
/// `place`: of each row's first number.
LUTHIER_AVX512 void outer_gradient_rows(const float* const* x, float* const* dx,
                                        const std::int64_t* place, const Shape& shape,
                                        const float* ranks, const float* a, const MaskRule& rule,
                                        float* da) {
  const __m512 scale = _mm512_set1_ps(rule.scale);
  for (std::int64_t j = 0; j < shape.in; j += kLanes) {
    __m512 sum[kHalf], own[kHalf];
    __mmask16 there[kHalf];
#pragma GCC unroll 8
    for (int row = 0; row < kHalf; ++row) {
      there[row] = sixteen_stay(rule, place[row] + j);
      own[row] = _mm512_maskz_mul_ps(there[row], _mm512_loadu_ps(x[row] + j), scale);
      sum[row] = _mm512_setzero_ps();
    }
    for (std::int64_t q = 0; q < shape.rank; ++q) {
      const __m512 beside = _mm512_loadu_ps(a + q * shape.in + j);
      __m512 even = _mm512_loadu_ps(da + q * shape.in + j), odd = _mm512_setzero_ps();
#pragma GCC unroll 4
      for (int row = 0; row < kHalf; row += 2) {
        const __m512 first = _mm512_set1_ps(ranks[row * kMostRanks + q]),
                     second = _mm512_set1_ps(ranks[(row + 1) * kMostRanks + q]);
        sum[row] = _mm512_fmadd_ps(first, beside, sum[row]);
        sum[row + 1] = _mm512_fmadd_ps(second, beside, sum[row + 1]);
        even = _mm512_fmadd_ps(first, own[row], even);
        odd = _mm512_fmadd_ps(second, own[row + 1], odd);
      }
      _mm512_storeu_ps(da + q * shape.in + j, _mm512_add_ps(even, odd));
    }
#pragma GCC unroll 8
    for (int row = 0; row < kHalf; ++row) {
      const __m512 before = _mm512_loadu_ps(dx[row] + j);
      _mm512_storeu_ps(dx[row] + j, _mm512_mask_add_ps(before, there[row], before,
                                                       _mm512_mul_ps(sum[row], scale)));
    }
  }
}

/// The first of equal parts after the others were added to it.
Tensor sum_of(const Tensor& parts) {
  for (std::int64_t i = 1; i < parts.size(0); ++i) parts[0].add_(parts[i]);
  return parts[0];
}

}  // namespace

bool suits(const Tensor& x, const Tensor& a, const Tensor& b) {
  const auto whole = [](const Tensor& t) {
    return t.scalar_type() == torch::kFloat32 && t.is_contiguous();
  };
  return x.is_cpu() && x.dim() == 2 && whole(x) && whole(a) && whole(b) &&
         x.size(1) % kLanes == 0 && b.size(0) % kLanes == 0 && a.size(0) <= kMostRanks &&
         floats::available();
}

Tensor inner_of(const Tensor& x, const Tensor& a, double scale, double dropout,
                const MaskSeed& seed) {
  const std::int64_t rows = x.size(0);
  const Shape shape{x.size(1), 0, a.size(0)};
  const Tensor made = torch::empty({rows, shape.rank}, torch::kFloat32),
               laid = panels(numbers_of(a), shape.rank, shape.in, shape.in, 1);
  const MaskRule rule(dropout, seed.number);
  const float *from = numbers_of(x), *beside = numbers_of(laid);
  float* const to = room_of(made);
  for_stretches_of_rows(
      rows, stretches_of(rows), [&](std::int64_t, std::int64_t first, std::int64_t end) {
        make_inner(from, shape, beside, static_cast<float>(scale), rule, first, end, to);
      });
  return made;
}

void add_outer(const Tensor& y, const Tensor& inner, const Tensor& b) {
  const std::int64_t rows = y.size(0), stride = y.stride(0);
  const Shape shape{0, y.size(1), b.size(1)};
  const Tensor turned = b.t().contiguous();
  const float *ranks = numbers_of(inner), *beside = numbers_of(turned);
  float* const to = room_of(y);
  for_stretches_of_rows(
      rows, stretches_of(rows), [&](std::int64_t, std::int64_t first, std::int64_t end) {
        alignas(64) float own[kTall * kMostRanks];
        std::vector<float> last;
        for (; first < end; first += kTall) {
          const std::int64_t count = std::min<std::int64_t>(kTall, end - first);
          copy_ranks(ranks + first * shape.rank, count, shape.rank, kTall, own);
          float* const place = to + first * stride;
          if (count == kTall) {
            add_outer_rows(place, stride, shape, own, beside);
            continue;
          }
          last.assign(static_cast<std::size_t>(kTall * shape.out), 0.0f);
          for (std::int64_t row = 0; row < count; ++row)
            std::memcpy(last.data() + row * shape.out, place + row * stride, bytes_of(shape.out));
          add_outer_rows(last.data(), shape.out, shape, own, beside);
          for (std::int64_t row = 0; row < count; ++row)
            std::memcpy(place + row * stride, last.data() + row * shape.out, bytes_of(shape.out));
        }
      });
}

std::pair<Tensor, Tensor> inner_gradients(const Tensor& gradient, const Tensor& b,
                                          const Tensor& inner, double scale) {
  const std::int64_t rows = gradient.size(0), out = gradient.size(1), stride = gradient.stride(0),
                     rank = b.size(1), count = panels_of(rank), stretches = stretches_of(rows);
  const Tensor dinner = torch::empty({rows, rank}, torch::kFloat32),
               laid = panels(numbers_of(b), rank, out, 1, rank),
               sums = torch::zeros({stretches, count, out, kLanes}, torch::kFloat32);
  const float *from = numbers_of(gradient), *ranks = numbers_of(inner), *beside = numbers_of(laid);
  float *const to = room_of(dinner), *const parts = room_of(sums);
  for_stretches_of_rows(
      rows, stretches, [&](std::int64_t stretch, std::int64_t first, std::int64_t end) {
        alignas(64) float own[kHalf * kMostRanks], made[kHalf * kLanes];
        const std::vector<float> none(static_cast<std::size_t>(out), 0.0f);
        for (; first < end; first += kHalf) {
          const std::int64_t some = std::min<std::int64_t>(kHalf, end - first);
          copy_ranks(ranks + first * rank, some, rank, kHalf, own);
          const float* each[kHalf];
          for (int row = 0; row < kHalf; ++row)
            each[row] = row < some ? from + (first + row) * stride : none.data();
          for (std::int64_t panel = 0; panel < count; ++panel) {
            inner_gradient_rows(each, out, own + panel * kLanes, beside + panel * out * kLanes,
                                made, parts + (stretch * count + panel) * out * kLanes);
            const std::int64_t width = std::min(kLanes, rank - panel * kLanes);
            for (std::int64_t row = 0; row < some; ++row)
              for (std::int64_t q = 0; q < width; ++q)
                to[(first + row) * rank + panel * kLanes + q] =
                    made[row * kLanes + q] * static_cast<float>(scale);
          }
        }
      });
  const Tensor db = sum_of(sums).permute({1, 0, 2}).reshape({out, count * kLanes});
  return {dinner, db.slice(1, 0, rank).contiguous()};
}

Tensor outer_gradients(const Tensor& dx, const Tensor& dinner, const Tensor& a, const Tensor& x,
                       double dropout, const MaskSeed& seed) {
  const std::int64_t rows = x.size(0), stretches = stretches_of(rows);
  const Shape shape{x.size(1), 0, a.size(0)};
  const Tensor sums = torch::zeros({stretches, shape.rank, shape.in}, torch::kFloat32);
  const MaskRule rule(dropout, seed.number);
  const float *from = numbers_of(x), *ranks = numbers_of(dinner), *beside = numbers_of(a);
  float *const to = room_of(dx), *const parts = room_of(sums);
  for_stretches_of_rows(
      rows, stretches, [&](std::int64_t stretch, std::int64_t first, std::int64_t end) {
        alignas(64) float own[kHalf * kMostRanks];
        const std::vector<float> none(static_cast<std::size_t>(shape.in), 0.0f);
        std::vector<float> nowhere(static_cast<std::size_t>(shape.in), 0.0f);
        for (; first < end; first += kHalf) {
          const std::int64_t some = std::min<std::int64_t>(kHalf, end - first);
          copy_ranks(ranks + first * shape.rank, some, shape.rank, kHalf, own);
          const float* each[kHalf];
          float* onto[kHalf];
          std::int64_t place[kHalf];
          for (int row = 0; row < kHalf; ++row) {
            place[row] = (first + row) * shape.in;
            each[row] = row < some ? from + place[row] : none.data();
            onto[row] = row < some ? to + place[row] : nowhere.data();
          }
          outer_gradient_rows(each, onto, place, shape, own, beside, rule,
                              parts + stretch * shape.rank * shape.in);
        }
      });
  return sum_of(sums);
}

#else

bool suits(const Tensor&, const Tensor&, const Tensor&) { return false; }
Tensor inner_of(const Tensor&, const Tensor&, double, double, const MaskSeed&) { return {}; }
void add_outer(const Tensor&, const Tensor&, const Tensor&) {}
std::pair<Tensor, Tensor> inner_gradients(const Tensor&, const Tensor&, const Tensor&, double) {
  return {};
}
Tensor outer_gradients(const Tensor&, const Tensor&, const Tensor&, const Tensor&, double,
                       const MaskSeed&) {
  return {};
}

#endif

}  // namespace luthier::low_rank
