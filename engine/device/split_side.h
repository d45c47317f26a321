// SPDX-License-Identifier: GPL-3.0-or-later
// A side of a product is taken apart into slabs: 32 lines by 32 places of the sum, the three parts
// one after the other, each two tiles of 16 lines. In a tile of the left side a row is a line and
// holds 16 pairs of places, in one of the right side a row is a pair and holds it of 16 lines; a
// pair is places i and i + 16 of the slab, since so it takes no shuffle to make one.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/device/split_product.h"
#include "engine/device/tile_registers.h"

#ifdef LUTHIER_HAS_TILES

namespace luthier::tiles {

using Part = std::uint16_t;  ///< a bfloat16 by its bits

constexpr std::int64_t kSide = 32;  ///< lines, and places, of a slab
constexpr std::int64_t kHalf = 16, kParts = 3;
constexpr std::int64_t kOfTile = kHalf * kSide, kOfPart = 2 * kOfTile, kSlab = kParts * kOfPart;

inline std::int64_t blocks_of(std::int64_t lines) { return (lines + kSide - 1) / kSide; }

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

/// A piece of a side on its way into slabs, line block after line block, 16 pairs at a time.
class Splitting {
 public:
  /// Of the left side (a row of a tile is a line) or the right one (a row is a pair).
  LUTHIER_TILED void begin(const SplitSide& from, std::int64_t lines, std::int64_t places,
                           bool pairs_down, Part* to) {
    from_ = from, lines_ = lines, places_ = places, pairs_down_ = pairs_down, slab_ = to;
    line_ = place_ = half_ = row_ = 0;
    along_ = from.place == 1;
    run_ = along_ ? from.line : from.place, far_ = along_ ? kHalf : kHalf * from.place;
    left_ = _mm512_setzero_si512();
  }
  bool done() const { return line_ >= lines_ && row_ == 0; }
  std::int64_t units() const { return blocks_of(lines_) * blocks_of(places_) * kSide; }

  LUTHIER_TILED void unit() {
    if (row_ == 0) take();
    if (ahead_) {
      __builtin_prefetch(ahead_);
      __builtin_prefetch(ahead_ + far_);
      ahead_ += run_;
    }
    left_ = _mm512_or_si512(left_, write_parts(first_[row_], second_[row_], to_ + row_ * kSide));
    if (++row_ == kHalf) row_ = 0;
  }

  /// Whether the first parts are all there is: of weights that a file has as bfloat16.
  LUTHIER_TILED bool narrow() const {
    // A −0 that is left is nothing either.
    return _mm512_test_epi32_mask(left_, _mm512_set1_epi32(0x7fffffff)) == 0;
  }

 private:
  /// The next tile of each part: up to 16 lines of 32 places; the rest are zeros.
  LUTHIER_TILED void take() {
    const std::int64_t lines = lines_ - line_ - half_, places = places_ - place_;
    const float* const start = at(line_ + half_, place_);
    const __mmask16 near = first_lanes(along_ ? places : lines), far = first_lanes(places - kHalf);
    for (int i = 0; i < kHalf; ++i) {
      first_[i] = second_[i] = _mm512_setzero_ps();
      if (along_ && i < lines) {
        first_[i] = _mm512_maskz_loadu_ps(near, start + i * run_);
        second_[i] = _mm512_maskz_loadu_ps(far, start + i * run_ + far_);
      } else if (!along_) {
        if (i < places) first_[i] = _mm512_maskz_loadu_ps(near, start + i * run_);
        if (i + kHalf < places) second_[i] = _mm512_maskz_loadu_ps(near, start + i * run_ + far_);
      }
    }
    if (along_ == pairs_down_) {
      transpose(first_);
      transpose(second_);
    }
    to_ = slab_ + half_ / kHalf * kOfTile;
    half_ = kHalf - half_;
    if (half_ == 0) {
      slab_ += kSlab, place_ += kSide;
      if (place_ >= places_) place_ = 0, line_ += kSide;
    }
    const bool whole = line_ + kSide <= lines_ && place_ + kSide <= places_;
    ahead_ = whole ? at(line_ + half_, place_) : nullptr;
  }
  const float* at(std::int64_t line, std::int64_t place) const {
    return from_.start + line * from_.line + place * from_.place;
  }

  __m512 first_[kHalf], second_[kHalf];  ///< of each pair of the tile that is written
  __m512i left_;                         ///< of all pairs, what their first parts leave
  SplitSide from_{};
  std::int64_t lines_ = 0, places_ = 0;
  std::int64_t line_ = 0, place_ = 0, half_ = 0, row_ = 0;  ///< of what comes next
  std::int64_t run_ = 0, far_ = 0;  ///< from one run of 16 numbers to the next, to its second half
  const float* ahead_ = nullptr;    ///< a run of the next tile, which is called near
  Part *slab_ = nullptr, *to_ = nullptr;
  bool along_ = false, pairs_down_ = false;
};

}  // namespace luthier::tiles
#endif
