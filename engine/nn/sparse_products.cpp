// SPDX-License-Identifier: GPL-3.0-or-later
// A panel of the weight is laid out turned, so that what belongs to a number of x stands in one
// piece, and stays in the processor's second cache while all rows pass. Threads share panels and
// rows evenly; each sum is one thread's, in an order that the sizes alone decide.
#include "engine/nn/sparse_products.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/device/parallel.h"
#include "engine/nn/cached_products.h"
#include "engine/nn/float_loops.h"
#include "engine/nn/loop_numbers.h"
#include "engine/nn/mask_places.h"

namespace luthier::sparse {

using torch::Tensor;

#ifdef LUTHIER_HAS_AVX512

namespace {

constexpr std::int64_t kOfRegister = 16;   ///< numbers
constexpr std::int64_t kLeastRows = 256;   ///< below, to lay the weight out costs what is saved
constexpr std::int64_t kPanel = 196608;    ///< numbers of a panel: 768 KiB
constexpr std::int64_t kLeastPlaces = 64;  ///< of a panel of the backward
constexpr std::int64_t kGrain = 64;        ///< rows of a panel that are worth a thread

struct Sizes {
  std::int64_t rows, in, out;
};
Sizes sizes_of(const Tensor& x, const Tensor& weight) {
  return {x.size(0), x.size(1), weight.size(0)};
}

/// The places of each row that a mask drops, ascending: those of row r from columns[starts[r]] to
/// the one before columns[starts[r + 1]].
struct Dropped {
  Tensor columns, starts;  // int32, int64
  const std::int32_t* column() const { return columns.const_data_ptr<std::int32_t>(); }
  const std::int64_t* start() const { return starts.const_data_ptr<std::int64_t>(); }
};

/// One bit for each place of a row, set where it is dropped; → how many are.
LUTHIER_AVX512 std::int64_t draw_row(const MaskRule& rule, std::int64_t place, std::int64_t in,
                                     std::uint16_t* bits) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < in; i += kOfRegister) {
    const auto goes = static_cast<std::uint16_t>(~sixteen_stay(rule, place + i));
    bits[i / kOfRegister] = goes;
    count += __builtin_popcount(goes);
  }
  return count;
}

LUTHIER_AVX512 void list_row(const std::uint16_t* bits, std::int64_t in, std::int32_t* to) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (std::int64_t i = 0; i < in; i += kOfRegister) {
    const std::uint16_t goes = bits[i / kOfRegister];
    const int count = __builtin_popcount(goes);
    const __m512i places = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(i)));
    // What follows is another row's, whose thread may have written it.
    _mm512_mask_storeu_epi32(to, static_cast<__mmask16>((1u << count) - 1),
                             _mm512_maskz_compress_epi32(goes, places));
    to += count;
  }
}

Dropped places_dropped(const Sizes& sizes, double dropout, const MaskSeed& seed) {
  const MaskRule rule(dropout, seed.number);
  const std::int64_t words = sizes.in / kOfRegister;
  const Tensor bits = torch::empty({sizes.rows, words}, torch::kInt16);
  Dropped made;
  made.starts = torch::empty({sizes.rows + 1}, torch::kInt64);
  auto* const bit = to_write<std::uint16_t>(bits);
  auto* const start = made.starts.mutable_data_ptr<std::int64_t>();
  start[0] = 0;
  for_pieces(0, sizes.rows, kGrain, [&](std::int64_t row, std::int64_t end) {
    for (; row < end; ++row)
      start[row + 1] = draw_row(rule, row * sizes.in, sizes.in, bit + row * words);
  });
  std::partial_sum(start, start + sizes.rows + 1, start);
  made.columns = torch::empty({start[sizes.rows]}, torch::kInt32);
  auto* const column = to_write<std::int32_t>(made.columns);
  for_pieces(0, sizes.rows, kGrain, [&](std::int64_t row, std::int64_t end) {
    for (; row < end; ++row) list_row(bit + row * words, sizes.in, column + start[row]);
  });
  return made;
}

/// Calls work(panel, first row, end, room) for all rows of all panels, in parallel; before it
/// lay(panel, room) where the room held another panel. `numbers`: of a room.
template <class Lay, class Work>
void for_panels(std::int64_t panels, std::int64_t rows, std::int64_t numbers, const Lay& lay,
                const Work& work) {
  for_pieces(0, panels * rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    const Tensor room = torch::empty({numbers}, torch::kFloat32);
    auto* const laid = room.mutable_data_ptr<float>();
    while (begin < end) {
      const std::int64_t panel = begin / rows, first = begin % rows,
                         stop = std::min(rows, first + end - begin);
      lay(panel, laid);
      work(panel, first, stop, laid);
      begin += stop - first;
    }
  });
}

struct Split {
  Sizes sizes;
  const float *x, *bias;  ///< bias null: none
  float *y, *z;
  const std::int32_t* column;
  const std::int64_t* start;
  float scale;
};

/// Rows [first, end) of `Sums` registers' columns, from `from` on, of which there are `width`.
template <int Sums>
LUTHIER_AVX512 void split_rows(const Split& of, const float* panel, std::int64_t from,
                               std::int64_t width, std::int64_t first, std::int64_t end) {
  constexpr std::int64_t kColumns = Sums * kOfRegister;
  alignas(64) float taken[kColumns];
  const __m512 scale = _mm512_set1_ps(of.scale);
  for (std::int64_t row = first; row < end; ++row) {
    const float* const x = of.x + row * of.sizes.in;
    __m512 sum[Sums];
#pragma GCC unroll 8
    for (int i = 0; i < Sums; ++i) sum[i] = _mm512_setzero_ps();
    for (std::int64_t k = of.start[row]; k < of.start[row + 1]; ++k) {
      const std::int64_t place = of.column[k];
      const __m512 number = _mm512_set1_ps(x[place]);
      const float* const beside = panel + place * kColumns;
#pragma GCC unroll 8
      for (int i = 0; i < Sums; ++i)
        sum[i] = _mm512_fmadd_ps(number, _mm512_load_ps(beside + i * kOfRegister), sum[i]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < Sums; ++i) _mm512_store_ps(taken + i * kOfRegister, sum[i]);
    const std::int64_t at = row * of.sizes.out + from;
    for (std::int64_t j = 0; j < width; j += kOfRegister) {
      const __m512 whole = _mm512_loadu_ps(of.y + at + j),
                   kept = _mm512_mul_ps(_mm512_sub_ps(whole, _mm512_load_ps(taken + j)), scale);
      __m512 other = _mm512_sub_ps(whole, kept);
      if (of.bias) other = _mm512_add_ps(other, _mm512_loadu_ps(of.bias + from + j));
      _mm512_storeu_ps(of.z + at + j, kept);
      _mm512_storeu_ps(of.y + at + j, other);
    }
  }
}

template <int Sums>
void split(const Split& of, const float* weight) {
  constexpr std::int64_t kColumns = Sums * kOfRegister;
  const std::int64_t in = of.sizes.in, out = of.sizes.out;
  const auto width_of = [&](std::int64_t panel) {
    return std::min(kColumns, out - panel * kColumns);
  };
  for_panels((out + kColumns - 1) / kColumns, of.sizes.rows, in * kColumns,
             [&](std::int64_t panel, float* room) {
               const std::int64_t width = width_of(panel);
               if (width < kColumns)
                 std::memset(room, 0, static_cast<std::size_t>(in * kColumns) * sizeof(float));
               floats::turn_panel(weight + panel * kColumns * in, in, width, in, room, kColumns);
             },
             [&](std::int64_t panel, std::int64_t first, std::int64_t end, const float* room) {
               split_rows<Sums>(of, room, panel * kColumns, width_of(panel), first, end);
             });
}

/// The products of `numbers` with `Many` rows of `size`, a multiple of sixteen.
template <int Many>
LUTHIER_AVX512 inline void add_inner_products(const float* numbers, const float* const* rows,
                                              std::int64_t size, float* const* to) {
  __m512 even[Many], odd[Many];
#pragma GCC unroll 4
  for (int k = 0; k < Many; ++k) even[k] = odd[k] = _mm512_setzero_ps();
  std::int64_t i = 0;
  for (; i + 2 * kOfRegister <= size; i += 2 * kOfRegister) {
    const __m512 left = _mm512_load_ps(numbers + i),
                 right = _mm512_load_ps(numbers + i + kOfRegister);
#pragma GCC unroll 4
    for (int k = 0; k < Many; ++k) {
      even[k] = _mm512_fmadd_ps(left, _mm512_load_ps(rows[k] + i), even[k]);
      odd[k] = _mm512_fmadd_ps(right, _mm512_load_ps(rows[k] + i + kOfRegister), odd[k]);
    }
  }
  if (i < size) {
    const __m512 left = _mm512_load_ps(numbers + i);
#pragma GCC unroll 4
    for (int k = 0; k < Many; ++k)
      even[k] = _mm512_fmadd_ps(left, _mm512_load_ps(rows[k] + i), even[k]);
  }
#pragma GCC unroll 4
  for (int k = 0; k < Many; ++k) *to[k] += _mm512_reduce_add_ps(_mm512_add_ps(even[k], odd[k]));
}

struct Addition {
  Sizes sizes;
  const float *gradient, *factor;
  std::int64_t stride;  ///< of the gradient's rows
  float* dx;
  const std::int32_t* column;
  const std::int64_t* start;
};

LUTHIER_AVX512 void scale_row(const float* gradient, const float* factor, std::int64_t size,
                              float* to) {
  for (std::int64_t i = 0; i < size; i += kOfRegister)
    _mm512_store_ps(to + i,
                    _mm512_mul_ps(_mm512_loadu_ps(gradient + i), _mm512_loadu_ps(factor + i)));
}

/// Of rows [first, end) the places [from, stop). `panel`: [places][out]; `scaled`: room for a row.
LUTHIER_AVX512 void add_rows(const Addition& of, const float* panel, std::int64_t from,
                             std::int64_t stop, std::int64_t first, std::int64_t end,
                             float* scaled) {
  constexpr int kMany = 4;
  const std::int64_t out = of.sizes.out;
  for (std::int64_t row = first; row < end; ++row) {
    const std::int32_t* const last = of.column + of.start[row + 1];
    const std::int32_t* at = std::lower_bound(of.column + of.start[row], last, from);
    const std::int64_t count = std::lower_bound(at, last, stop) - at;
    if (count == 0) continue;
    scale_row(of.gradient + row * of.stride, of.factor, out, scaled);
    const float* rows[kMany];
    float* to[kMany];
    for (std::int64_t k = 0; k < count; k += kMany, at += kMany) {
      const int some = static_cast<int>(std::min<std::int64_t>(kMany, count - k));
      for (int i = 0; i < some; ++i) {
        rows[i] = panel + (at[i] - from) * out;
        to[i] = of.dx + row * of.sizes.in + at[i];
      }
      if (some == 4) add_inner_products<4>(scaled, rows, out, to);
      if (some == 3) add_inner_products<3>(scaled, rows, out, to);
      if (some == 2) add_inner_products<2>(scaled, rows, out, to);
      if (some == 1) add_inner_products<1>(scaled, rows, out, to);
    }
  }
}

}  // namespace

bool suits(const Tensor& x, const Tensor& weight, double dropout) {
  const auto whole = [](const Tensor& t) {
    return t.is_cpu() && t.scalar_type() == torch::kFloat32 && t.dim() == 2 && t.is_contiguous() &&
           t.size(1) % kOfRegister == 0;
  };
  return dropout > 0 && dropout <= kMostDropout && whole(x) && whole(weight) &&
         weight.size(0) % kOfRegister == 0 && x.size(0) >= kLeastRows && floats::available();
}

Tensor split_product(const Tensor& y, const Tensor& x, const Tensor& weight, const Tensor& bias,
                     double dropout, const MaskSeed& seed) {
  const Sizes sizes = sizes_of(x, weight);
  const Dropped dropped = places_dropped(sizes, dropout, seed);
  Tensor z = torch::empty_like(y);
  const Split of{sizes,
                 numbers<float>(x),
                 numbers<float>(bias),
                 to_write<float>(y),
                 to_write<float>(z),
                 dropped.column(),
                 dropped.start(),
                 MaskRule(dropout, seed.number).scale};
  // Eight sums hide their latency; beside a wide x so many columns would not stay in the cache.
  if (sizes.in * 8 * kOfRegister <= 2 * kPanel)
    split<8>(of, numbers<float>(weight));
  else
    split<4>(of, numbers<float>(weight));
  return z;
}

void add_where_dropped(const Tensor& dx, const Tensor& gradient, const Tensor& factor,
                       const Tensor& weight, double dropout, const MaskSeed& seed) {
  const Sizes sizes = sizes_of(dx, weight);
  const Dropped dropped = places_dropped(sizes, dropout, seed);
  const Tensor from = gradient.stride(1) == 1 ? gradient : gradient.contiguous();
  const Addition of{sizes,          numbers<float>(from), numbers<float>(factor),
                    from.stride(0), to_write<float>(dx),  dropped.column(),
                    dropped.start()};
  const float* const numbers_of_weight = numbers<float>(weight);
  const std::int64_t in = sizes.in, out = sizes.out;
  const std::int64_t most = std::max(kLeastPlaces, kPanel / out), panels = (in + most - 1) / most,
                     places =
                         ((in + panels - 1) / panels + kOfRegister - 1) / kOfRegister * kOfRegister;
  const auto end_of = [&](std::int64_t panel) { return std::min(in, (panel + 1) * places); };
  for_panels((in + places - 1) / places, sizes.rows, (places + 1) * out,
             [&](std::int64_t panel, float* room) {
               const std::int64_t first = panel * places;
               floats::turn_panel(numbers_of_weight + first, in, out, end_of(panel) - first, room,
                                  out);
             },
             [&](std::int64_t panel, std::int64_t first, std::int64_t end, float* room) {
               add_rows(of, room, panel * places, end_of(panel), first, end, room + places * out);
             });
}

#else

bool suits(const Tensor&, const Tensor&, double) { return false; }
Tensor split_product(const Tensor&, const Tensor&, const Tensor&, const Tensor&, double,
                     const MaskSeed&) {
  return {};
}
void add_where_dropped(const Tensor&, const Tensor&, const Tensor&, const Tensor&, double,
                       const MaskSeed&) {}

#endif

}  // namespace luthier::sparse
