// SPDX-License-Identifier: GPL-3.0-or-later
// Sides are taken apart a piece at a time, small enough to stay in a core's second cache, into
// slabs: 32 lines by 32 places of the sum, the three parts one after the other, each two tiles of
// 16 lines. In a tile of the left side a row is a line and holds 16 pairs of places, in one of the
// right side a row is a pair and holds it of 16 lines; a pair is places i and i + 16 of the slab,
// since so it takes no shuffle to make one.
#include "engine/device/split_product.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/device/parallel.h"
#include "engine/device/tile_registers.h"

namespace luthier::tiles {

#ifdef LUTHIER_HAS_TILES

namespace {

using Part = std::uint16_t;  ///< a bfloat16 by its bits

constexpr std::int64_t kSide = 32;  ///< lines, and places, of a slab
constexpr std::int64_t kHalf = 16, kParts = 3;
constexpr std::int64_t kOfTile = kHalf * kSide, kOfPart = 2 * kOfTile, kSlab = kParts * kOfPart;

/// Of a piece: places of the sum, lines of the right side, lines of the left one. A block of both
/// sides over so many places is what a first cache holds.
constexpr std::int64_t kPlaces = 128, kColumns = 768, kRows = 128;
constexpr std::int64_t kSteps = kPlaces / kSide;

struct FreeAligned {
  void operator()(void* start) const { std::free(start); }
};
template <class Number>
std::unique_ptr<Number[], FreeAligned> aligned(std::int64_t count) {
  constexpr std::size_t line = 64;
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(Number);
  void* const start = std::aligned_alloc(line, (bytes + line - 1) / line * line);
  if (!start) throw std::bad_alloc();
  return std::unique_ptr<Number[], FreeAligned>(static_cast<Number*>(start));
}

/// A thread's, for its next product too.
struct SplitRoom {
  std::unique_ptr<Part[], FreeAligned> left = aligned<Part>(kRows / kSide * kSteps * kSlab);
  std::unique_ptr<Part[], FreeAligned> right = aligned<Part>(kColumns / kSide * kSteps * kSlab);
  std::unique_ptr<float[], FreeAligned> sums = aligned<float>(kSide * kSide);
};

LUTHIER_TILED inline __mmask16 first_lanes(std::int64_t count) {
  return static_cast<__mmask16>((1u << std::clamp<std::int64_t>(count, 0, kHalf)) - 1);
}

/// Writes the three parts of 16 pairs, each the nearest bfloat16 to what the parts before it leave;
/// what two leave is a bfloat16. → what the first leaves, by its bits: zeros where that is all.
LUTHIER_TILED inline __m512i write_parts(__m512 first, __m512 second, Part* to) {
  const __m512i half = _mm512_set1_epi32(0x8000),
                top = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  __m512i left = _mm512_setzero_si512();
  for (int part = 0; part < kParts - 1; ++part) {
    const __m512i low = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(first), half), top);
    const __m512i high = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(second), half), top);
    _mm512_store_si512(to + part * kOfPart, _mm512_or_si512(_mm512_srli_epi32(low, 16), high));
    first = _mm512_sub_ps(first, _mm512_castsi512_ps(low));
    second = _mm512_sub_ps(second, _mm512_castsi512_ps(high));
    if (part == 0) left = _mm512_or_si512(_mm512_castps_si512(first), _mm512_castps_si512(second));
  }
  _mm512_store_si512(to + (kParts - 1) * kOfPart,
                     _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(first), 16),
                                     _mm512_and_si512(_mm512_castps_si512(second), top)));
  return left;
}

/// 16 rows of 16 numbers of 32 bits.
LUTHIER_TILED inline void transpose(__m512 numbers[kHalf]) {
  __m512i rows[kHalf], made[kHalf];
  for (int i = 0; i < kHalf; ++i) rows[i] = _mm512_castps_si512(numbers[i]);
  for (int i = 0; i < kHalf; i += 2) {
    made[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    made[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < kHalf; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(made[i], made[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(made[i], made[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(made[i + 1], made[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(made[i + 1], made[i + 3]);
  }
  constexpr int kEven = 0x88, kOdd = 0xdd;  // of four lanes of 128 bits
  for (int i = 0; i < 4; ++i) {
    made[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], kEven);
    made[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], kOdd);
    made[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], kEven);
    made[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], kOdd);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm512_shuffle_i32x4(made[i], made[i + 8], kEven);
    rows[i + 8] = _mm512_shuffle_i32x4(made[i], made[i + 8], kOdd);
    rows[i + 4] = _mm512_shuffle_i32x4(made[i + 4], made[i + 12], kEven);
    rows[i + 12] = _mm512_shuffle_i32x4(made[i + 4], made[i + 12], kOdd);
  }
  for (int i = 0; i < kHalf; ++i) numbers[i] = _mm512_castsi512_ps(rows[i]);
}

/// A tile of each part, from up to 16 lines and 32 places; the rest are zeros. → as write_parts.
LUTHIER_TILED inline __m512i split_half(const SplitSide& from, std::int64_t lines,
                                        std::int64_t places, bool pairs_down, Part* to) {
  const bool along = from.place == 1;
  const __mmask16 near = first_lanes(along ? places : lines), far = first_lanes(places - kHalf);
  __m512 first[kHalf], second[kHalf];
  for (int i = 0; i < kHalf; ++i) {
    first[i] = second[i] = _mm512_setzero_ps();
    if (along && i < lines) {
      first[i] = _mm512_maskz_loadu_ps(near, from.start + i * from.line);
      second[i] = _mm512_maskz_loadu_ps(far, from.start + i * from.line + kHalf);
    } else if (!along) {
      if (i < places) first[i] = _mm512_maskz_loadu_ps(near, from.start + i * from.place);
      if (i + kHalf < places)
        second[i] = _mm512_maskz_loadu_ps(near, from.start + (i + kHalf) * from.place);
    }
  }
  if (along == pairs_down) {
    transpose(first);
    transpose(second);
  }
  __m512i left = _mm512_setzero_si512();
  for (int i = 0; i < kHalf; ++i)
    left = _mm512_or_si512(left, write_parts(first[i], second[i], to + i * kSide));
  return left;
}

/// Slab after slab of `lines` lines and `places` places, line block after line block. → whether the
/// first parts are all there is: of weights that a file has as bfloat16.
LUTHIER_TILED bool split_piece(const SplitSide& from, std::int64_t lines, std::int64_t places,
                               bool pairs_down, Part* to) {
  __m512i left = _mm512_setzero_si512();
  for (std::int64_t line = 0; line < lines; line += kSide) {
    for (std::int64_t place = 0; place < places; place += kSide, to += kSlab) {
      for (std::int64_t half = 0; half < kSide; half += kHalf) {
        const SplitSide side{from.start + (line + half) * from.line + place * from.place, from.line,
                             from.place};
        left = _mm512_or_si512(left, split_half(side, lines - line - half, places - place,
                                                pairs_down, to + half / kHalf * kOfTile));
      }
    }
  }
  // A −0 that is left is nothing either.
  return _mm512_test_epi32_mask(left, _mm512_set1_epi32(0x7fffffff)) == 0;
}

/// sums [32, 32] = the product of a block of slabs with another; of the right one the first parts
/// are all where it is `narrow`.
LUTHIER_TILED void multiply(const Part* left, const Part* right, std::int64_t steps, bool narrow,
                            float* sums) {
  constexpr std::size_t kLine = kSide * sizeof(Part), kRow = kSide * sizeof(float);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
#define LUTHIER_LEFT(part)                       \
  _tile_loadd(4, upper + (part)*kOfPart, kLine); \
  _tile_loadd(5, upper + (part)*kOfPart + kOfTile, kLine)
#define LUTHIER_RIGHT(part)                       \
  _tile_loadd(6, beside + (part)*kOfPart, kLine); \
  _tile_loadd(7, beside + (part)*kOfPart + kOfTile, kLine)
#define LUTHIER_MULTIPLY   \
  _tile_dpbf16ps(0, 4, 6); \
  _tile_dpbf16ps(1, 4, 7); \
  _tile_dpbf16ps(2, 5, 6); \
  _tile_dpbf16ps(3, 5, 7)
  const Part *upper = left, *beside = right;
  for (std::int64_t i = 0; i < steps; ++i, upper += kSlab, beside += kSlab) {
    if (!narrow) {
      LUTHIER_LEFT(0);
      LUTHIER_RIGHT(2);
      LUTHIER_MULTIPLY;
      LUTHIER_RIGHT(1);
      LUTHIER_MULTIPLY;
    }
    LUTHIER_LEFT(1);
    if (!narrow) {
      LUTHIER_MULTIPLY;
    }
    LUTHIER_RIGHT(0);
    LUTHIER_MULTIPLY;
    LUTHIER_LEFT(2);
    LUTHIER_MULTIPLY;
  }
  upper = left, beside = right;
  for (std::int64_t i = 0; i < steps; ++i, upper += kSlab, beside += kSlab) {
    LUTHIER_LEFT(0);
    LUTHIER_RIGHT(0);
    LUTHIER_MULTIPLY;
  }
#undef LUTHIER_LEFT
#undef LUTHIER_RIGHT
#undef LUTHIER_MULTIPLY
  _tile_stored(0, sums, kRow);
  _tile_stored(1, sums + kHalf, kRow);
  _tile_stored(2, sums + kHalf * kSide, kRow);
  _tile_stored(3, sums + kHalf * kSide + kHalf, kRow);
  written(sums);
}

/// A block of the result.
struct ResultBlock {
  float* start;
  std::int64_t rows, columns;
  bool begins;  ///< nothing stands there that counts
};
ResultBlock block_of(const SplitProduct& whole, std::int64_t row, std::int64_t column,
                     std::int64_t place) {
  return {whole.result + row * whole.stride + column, std::min(kSide, whole.m - row),
          std::min(kSide, whole.n - column), place == 0 && !whole.adds};
}

/// The block comes near while its sums are made.
void call(const ResultBlock& block, std::int64_t stride) {
  for (std::int64_t row = 0; row < block.rows; ++row) {
    __builtin_prefetch(block.start + row * stride, /*write=*/1);
    __builtin_prefetch(block.start + row * stride + block.columns - 1, 1);
  }
}

LUTHIER_TILED void add_sums(const float* sums, const SplitProduct& whole, const ResultBlock& block,
                            const float* bias) {
  const __m512 scale = _mm512_set1_ps(whole.scale);
  for (std::int64_t column = 0; column < block.columns; column += kHalf) {
    const __mmask16 there = first_lanes(block.columns - column);
    const __m512 begun = bias ? _mm512_maskz_loadu_ps(there, bias + column) : _mm512_setzero_ps();
    for (std::int64_t row = 0; row < block.rows; ++row) {
      float* const to = block.start + row * whole.stride + column;
      const __m512 before = block.begins ? begun : _mm512_maskz_loadu_ps(there, to);
      const __m512 made = _mm512_load_ps(sums + row * kSide + column);
      _mm512_mask_storeu_ps(to, there, _mm512_fmadd_ps(made, scale, before));
    }
  }
}

LUTHIER_TILED void multiply_all(const SplitProduct& whole, const SplitRoom& room) {
  const Tiles tiles;
  const auto piece = [](const SplitSide& side, std::int64_t line, std::int64_t place) {
    return SplitSide{side.start + line * side.line + place * side.place, side.line, side.place};
  };
  for (std::int64_t column = 0; column < whole.n; column += kColumns) {
    const std::int64_t columns = std::min(kColumns, whole.n - column);
    for (std::int64_t place = 0; place < whole.k; place += kPlaces) {
      const std::int64_t places = std::min(kPlaces, whole.k - place),
                         steps = (places + kSide - 1) / kSide;
      const bool narrow =
          split_piece(piece(whole.b, column, place), columns, places, true, room.right.get());
      for (std::int64_t row = 0; row < whole.m; row += kRows) {
        const std::int64_t rows = std::min(kRows, whole.m - row);
        split_piece(piece(whole.a, row, place), rows, places, false, room.left.get());
        written(room.left.get());
        for (std::int64_t j = 0; j < columns; j += kSide) {
          for (std::int64_t i = 0; i < rows; i += kSide) {
            const ResultBlock block = block_of(whole, row + i, column + j, place);
            call(block, whole.stride);
            multiply(room.left.get() + i / kSide * steps * kSlab,
                     room.right.get() + j / kSide * steps * kSlab, steps, narrow, room.sums.get());
            add_sums(room.sums.get(), whole, block, whole.bias ? whole.bias + column + j : nullptr);
          }
        }
      }
    }
  }
}

/// How a product is shared out: so many parts of its rows by so many of its columns.
struct Grid {
  std::int64_t rows = 1, columns = 1;
};

std::int64_t blocks_of(std::int64_t lines) { return (lines + kSide - 1) / kSide; }

/// The one for so many threads in which each has least to take apart.
Grid grid_for(std::int64_t threads, std::int64_t m, std::int64_t n) {
  Grid best;
  std::int64_t least = m + n;
  for (std::int64_t rows = 1; rows <= threads; ++rows) {
    if (threads % rows != 0) continue;
    const Grid grid{std::min(rows, blocks_of(m)), std::min(threads / rows, blocks_of(n))};
    const std::int64_t each = m / grid.rows + n / grid.columns;
    if (each < least) best = grid, least = each;
  }
  return best;
}

/// Where part `i` of `parts` begins, at a whole block.
std::int64_t begin_of(std::int64_t i, std::int64_t parts, std::int64_t lines) {
  return std::min(lines, blocks_of(lines) * i / parts * kSide);
}

SplitProduct part_of(const SplitProduct& whole, const Grid& grid, std::int64_t which) {
  const std::int64_t row = which / grid.columns, column = which % grid.columns;
  const std::int64_t first = begin_of(row, grid.rows, whole.m),
                     left = begin_of(column, grid.columns, whole.n);
  SplitProduct part = whole;
  part.a.start += first * whole.a.line;
  part.b.start += left * whole.b.line;
  part.result += first * whole.stride + left;
  if (part.bias) part.bias += left;
  part.m = begin_of(row + 1, grid.rows, whole.m) - first;
  part.n = begin_of(column + 1, grid.columns, whole.n) - left;
  return part;
}

}  // namespace

bool worth_splitting(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t kLeastLines = 96;
  return m >= kLeastLines && n >= kLeastLines && k >= kSide;
}

void split_product(const SplitProduct& whole) {
  const Grid grid = grid_for(threads_for_pieces(), whole.m, whole.n);
  for_pieces(0, grid.rows * grid.columns, /*grain=*/1, [&](std::int64_t first, std::int64_t last) {
    static thread_local const SplitRoom room;
    for (std::int64_t which = first; which < last; ++which)
      multiply_all(part_of(whole, grid, which), room);
  });
}

#else

bool worth_splitting(std::int64_t, std::int64_t, std::int64_t) { return false; }
void split_product(const SplitProduct&) {}

#endif

}  // namespace luthier::tiles
