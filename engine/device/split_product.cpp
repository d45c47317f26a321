// SPDX-License-Identifier: GPL-3.0-or-later
// Sides are taken apart a piece at a time, beside the tiles that multiply the piece before: a
// core's float32 units have nothing else to do then, and their memory is waited for beside work.
#include "engine/device/split_product.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/device/parallel.h"
#include "engine/device/split_side.h"

namespace luthier::tiles {

#ifdef LUTHIER_HAS_TILES

namespace {

/// Of a piece: places of the sum, and lines of either side at most. What two pieces of each side
/// and the sums of one by the other take lies in a second cache.
constexpr std::int64_t kPlaces = 128, kLines = 384;
constexpr std::int64_t kSteps = kPlaces / kSide, kBlock = kSide * kSide;

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

/// A thread's, for its next product too: of each side the piece that is multiplied and the one that
/// is taken apart beside it; what tiles made of a block, and of the one before; a piece's sums.
struct SplitRoom {
  using Parts = std::unique_ptr<Part[], FreeAligned>;
  using Sums = std::unique_ptr<float[], FreeAligned>;
  static Parts piece() { return aligned<Part>(kLines * kPlaces * kParts); }

  Parts left[2] = {piece(), piece()}, right[2] = {piece(), piece()};
  Sums made[2] = {aligned<float>(kBlock), aligned<float>(kBlock)};
  Sums sums = aligned<float>(kLines * kLines);
};

/// Where a block's sums stand.
struct Standing {
  float* start;  ///< none: nowhere yet
  std::int64_t stride;
};

/// A block that tiles have made on its way to its sums, a row at a time.
class Adding {
 public:
  /// Without `from` sums begin with the bias, if there is one.
  void begin(const float* made, float scale, std::int64_t rows, std::int64_t columns,
             const float* bias, const Standing& from, const Standing& to) {
    made_ = made, scale_ = scale, bias_ = bias, from_ = from, to_ = to;
    rows_ = rows, columns_ = columns, row_ = 0;
  }
  bool done() const { return row_ >= rows_; }

  LUTHIER_TILED void unit() {
    const __m512 scale = _mm512_set1_ps(scale_);
    const float* const made = made_ + row_ * kSide;
    float* const to = to_.start + row_ * to_.stride;
    if (columns_ == kSide && from_.start) {
      const float* const before = from_.start + row_ * from_.stride;
      const __m512 low = _mm512_fmadd_ps(_mm512_load_ps(made), scale, _mm512_loadu_ps(before));
      const __m512 high =
          _mm512_fmadd_ps(_mm512_load_ps(made + kHalf), scale, _mm512_loadu_ps(before + kHalf));
      _mm512_storeu_ps(to, low);
      _mm512_storeu_ps(to + kHalf, high);
      ++row_;
      return;
    }
    for (std::int64_t column = 0; column < columns_; column += kHalf) {
      const __mmask16 there = first_lanes(columns_ - column);
      __m512 sum = _mm512_setzero_ps();
      if (from_.start)
        sum = _mm512_maskz_loadu_ps(there, from_.start + row_ * from_.stride + column);
      else if (bias_)
        sum = _mm512_maskz_loadu_ps(there, bias_ + column);
      _mm512_mask_storeu_ps(to + column, there,
                            _mm512_fmadd_ps(_mm512_load_ps(made + column), scale, sum));
    }
    ++row_;
  }

 private:
  const float *made_ = nullptr, *bias_ = nullptr;
  float scale_ = 1;
  Standing from_{}, to_{};
  std::int64_t rows_ = 0, columns_ = 0, row_ = 0;
};

/// What a core's float32 units do while its tiles multiply: they take the next pieces apart, and
/// add what tiles made of the block before.
struct Beside {
  Splitting left, right;
  Adding adding;
  std::int64_t units = 0, calls = 1;  ///< so many units are shared out among so many calls
  std::int64_t owed = 0;              ///< in parts of a unit, `calls` of which are one
  std::int64_t rows = 0;              ///< to add in a call

  LUTHIER_TILED void some() {
    for (std::int64_t i = 0; i < rows && !adding.done(); ++i) adding.unit();
    for (owed += units; owed >= calls; owed -= calls) {
      if (!right.done())
        right.unit();
      else if (!left.done())
        left.unit();
    }
  }
  LUTHIER_TILED void add_all() {
    while (!adding.done()) adding.unit();
  }
  LUTHIER_TILED void split_all() {
    while (!right.done()) right.unit();
    while (!left.done()) left.unit();
  }
};

constexpr std::int64_t kCalls = 6, kNarrowCalls = 3;  ///< of what stands beside, a step

/// made [32, 32] = the product of a block of slabs with another; of the right one the first parts
/// are all where it is `narrow`.
LUTHIER_TILED void multiply(const Part* left, const Part* right, std::int64_t steps, bool narrow,
                            float* made, Beside& beside_tiles) {
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
  _tile_dpbf16ps(3, 5, 7); \
  beside_tiles.some()
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
  _tile_stored(0, made, kRow);
  _tile_stored(1, made + kHalf, kRow);
  _tile_stored(2, made + kHalf * kSide, kRow);
  _tile_stored(3, made + kHalf * kSide + kHalf, kRow);
  written(made);
}

/// A product a piece at a time: all places of some lines by some columns, then of others.
class Pieces {
 public:
  explicit Pieces(const SplitProduct& whole)
      : m_(whole.m), n_(whole.n), k_(whole.k), height_(even(m_)), width_(even(n_)) {}

  std::int64_t row = 0, column = 0, place = 0;
  std::int64_t rows() const { return std::min(height_, m_ - row); }
  std::int64_t columns() const { return std::min(width_, n_ - column); }
  std::int64_t places() const { return std::min(kPlaces, k_ - place); }
  bool first() const { return place == 0; }
  bool last() const { return place + kPlaces >= k_; }
  bool ended() const { return column >= n_; }

  void next() {
    place += kPlaces;
    if (place < k_) return;
    place = 0, row += height_;
    if (row < m_) return;
    row = 0, column += width_;
  }

 private:
  /// As many lines each as make all pieces alike.
  static std::int64_t even(std::int64_t lines) {
    const std::int64_t pieces = std::max<std::int64_t>(1, (lines + kLines - 1) / kLines);
    return blocks_of((lines + pieces - 1) / pieces) * kSide;
  }

  std::int64_t m_, n_, k_, height_, width_;
};

SplitSide from(const SplitSide& side, std::int64_t line, std::int64_t place) {
  return {side.start + line * side.line + place * side.place, side.line, side.place};
}

/// One thread's product.
class Multiplying {
 public:
  Multiplying(const SplitProduct& whole, const SplitRoom& room) : whole_(whole), room_(room) {}

  LUTHIER_TILED void all() {
    Pieces now(whole_);
    take(now, /*left=*/true, /*right=*/true);
    while (!now.ended()) {
      beside_.split_all();
      if (other_right_) narrow_ = beside_.right.narrow();
      left_ ^= other_left_, right_ ^= other_right_;
      written(room_.left[left_].get());
      Pieces next = now;
      next.next();
      take(next, next.row != now.row || next.place != now.place,
           next.column != now.column || next.place != now.place);
      make(now);
      now = next;
    }
    beside_.add_all();
  }

 private:
  /// Begins to take sides apart, those that are others than what is multiplied now.
  LUTHIER_TILED void take(const Pieces& next, bool left, bool right) {
    other_left_ = left && !next.ended(), other_right_ = right && !next.ended();
    if (other_left_)
      beside_.left.begin(from(whole_.a, next.row, next.place), next.rows(), next.places(), false,
                         room_.left[left_ ^ 1].get());
    if (other_right_)
      beside_.right.begin(from(whole_.b, next.column, next.place), next.columns(), next.places(),
                          true, room_.right[right_ ^ 1].get());
  }

  LUTHIER_TILED void make(const Pieces& piece) {
    const std::int64_t down = blocks_of(piece.rows()), across = blocks_of(piece.columns()),
                       steps = blocks_of(piece.places()),
                       calls = steps * (narrow_ ? kNarrowCalls : kCalls);
    beside_.units =
        (other_left_ ? beside_.left.units() : 0) + (other_right_ ? beside_.right.units() : 0);
    beside_.calls = calls * down * across;
    beside_.owed = 0;
    beside_.rows = (kSide + calls - 1) / calls;
    for (std::int64_t j = 0; j < across; ++j) {
      for (std::int64_t i = 0; i < down; ++i) {
        float* const made = room_.made[turn_ ^= 1].get();
        multiply(room_.left[left_].get() + i * steps * kSlab,
                 room_.right[right_].get() + j * steps * kSlab, steps, narrow_, made, beside_);
        beside_.add_all();
        add(piece, i, j, made);
      }
    }
  }

  /// Begins to add a block that is made.
  void add(const Pieces& piece, std::int64_t i, std::int64_t j, const float* made) {
    const std::int64_t row = piece.row + i * kSide, column = piece.column + j * kSide;
    const Standing result{whole_.result + row * whole_.stride + column, whole_.stride};
    const Standing sums{room_.sums.get() + (j * blocks_of(kLines) + i) * kBlock, kSide};
    const Standing nowhere{nullptr, 0};
    beside_.adding.begin(made, whole_.scale, std::min(kSide, whole_.m - row),
                         std::min(kSide, whole_.n - column),
                         whole_.bias ? whole_.bias + column : nullptr,
                         !piece.first() ? sums
                         : whole_.adds  ? result
                                        : nowhere,
                         piece.last() ? result : sums);
  }

  const SplitProduct& whole_;
  const SplitRoom& room_;
  Beside beside_;
  int left_ = 0, right_ = 0, turn_ = 0;  ///< which of two
  bool other_left_ = false, other_right_ = false, narrow_ = false;
};

/// How a product is shared out: so many parts of its rows by so many of its columns.
struct Grid {
  std::int64_t rows = 1, columns = 1;
};

/// The one for so many threads in which each has least to take apart. The right side is mostly a
/// weight, which comes from memory: it counts twice.
Grid grid_for(std::int64_t threads, std::int64_t m, std::int64_t n) {
  Grid best;
  std::int64_t least = m + 2 * n;
  for (std::int64_t rows = 1; rows <= threads; ++rows) {
    if (threads % rows != 0) continue;
    const Grid grid{std::min(rows, blocks_of(m)), std::min(threads / rows, blocks_of(n))};
    const std::int64_t each = m / grid.rows + 2 * n / grid.columns;
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

LUTHIER_TILED void multiply_part(const SplitProduct& part, const SplitRoom& room) {
  const Tiles tiles;
  Multiplying(part, room).all();
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
      multiply_part(part_of(whole, grid, which), room);
  });
}

#else

bool worth_splitting(std::int64_t, std::int64_t, std::int64_t) { return false; }
void split_product(const SplitProduct&) {}

#endif

}  // namespace luthier::tiles
