// SPDX-License-Identifier: GPL-3.0-or-later
// Scores are made turned around (a row for each key): so the shares stand as the left side of dv
// and dk wants them, and only q, k and the gradient, which are small, are ever transposed.
#include "engine/nn/tile_loops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "engine/nn/powers.h"
#include "engine/nn/tile_parts.h"

namespace luthier::tiles {

#ifdef LUTHIER_HAS_TILES

namespace {

constexpr std::int64_t kScores = 128;  ///< queries, and keys, of a block of scores

/// Where attend_back keeps what, in its scratch.
struct Room {
  Bits *keys, *values;        ///< [length, size], zeros behind
  Bits* keys_turned;          ///< [size, length]
  Bits *queries, *gradients;  ///< as right sides
  Bits *queries_turned, *gradients_turned;
  Bits *shares, *slopes;    ///< of a block, [keys, queries]
  Bits* slopes_packed;      ///< as a right side: [queries / 16][keys / 32]
  float *scores, *gained;   ///< of a block: q kᵀ and the shares' gradient
  float *dk, *dv;           ///< of a block of keys, [kScores, size]
  float* dq_turned;         ///< [size, length]
  float *log_sums, *along;  ///< of each query; `along`: Σ gradient · result
};

/// Lays the parts out one after the other from `start`; → bytes in all.
std::int64_t lay_out(Room& room, char* start, std::int64_t length, std::int64_t size) {
  std::int64_t used = 0;
  const auto take = [&](auto*& part, std::int64_t count) {
    part = reinterpret_cast<std::remove_reference_t<decltype(part)>>(start + used);
    used += (count * static_cast<std::int64_t>(sizeof *part) + 63) / 64 * 64;
  };
  const std::int64_t rows = padded(length), all = rows * size;
  for (Bits** part : {&room.keys, &room.values, &room.keys_turned, &room.queries, &room.gradients,
                      &room.queries_turned, &room.gradients_turned})
    take(*part, all);
  for (Bits** part : {&room.shares, &room.slopes, &room.slopes_packed})
    take(*part, kScores * kScores);
  for (float** part : {&room.scores, &room.gained}) take(*part, kScores * kScores);
  for (float** part : {&room.dk, &room.dv}) take(*part, kScores * size);
  take(room.dq_turned, all);
  for (float** part : {&room.log_sums, &room.along}) take(*part, rows);
  return used;
}

/// Of each query what its log of sums and Σ gradient · result are; a query that is none has an
/// endless sum, so that its shares are zeros.
LUTHIER_TILED void prepare_queries(const HeadBackward& head, Room& room) {
  for (std::int64_t i = 0; i < padded(head.length); ++i) {
    if (i >= head.length) {
      room.log_sums[i] = 1e30f, room.along[i] = 0;
      continue;
    }
    room.log_sums[i] = head.log_sums[i * head.log_sums_stride];
    const Bits *given = head.gradient.start + i * head.gradient.stride,
               *made = head.result.start + i * head.result.stride;
    __m512 sum = _mm512_setzero_ps();
    for (std::int64_t k = 0; k < head.size; k += 16)
      sum = _mm512_fmadd_ps(widened(given + k), widened(made + k), sum);
    room.along[i] = _mm512_reduce_add_ps(sum);
  }
}

/// A block of scores: where it stands and how large it is.
struct Block {
  std::int64_t key, keys, query, queries;
};

/// Shares and their slopes (gradient of the scores, but for the scale) of one key and 16 queries.
LUTHIER_TILED inline void share_and_slope(const HeadBackward& head, const Room& room,
                                          const Block& block, std::int64_t row, std::int64_t column,
                                          __m256i* share, __m256i* slope) {
  const std::int64_t key = block.key + row, query = block.query + column,
                     place = row * kScores + column;
  const __m512 power =
      _mm512_fmsub_ps(_mm512_load_ps(room.scores + place), _mm512_set1_ps(head.scale),
                      _mm512_load_ps(room.log_sums + query));
  __mmask16 seen = key < head.length ? 0xffff : 0;
  if (head.causal && key > query)
    seen = key - query >= 16 ? 0 : static_cast<__mmask16>(seen & (0xffffu << (key - query)));
  const __m512 part = _mm512_maskz_mov_ps(
      static_cast<__mmask16>(seen & _mm512_cmp_ps_mask(power, _mm512_set1_ps(-87.0f), _CMP_NLT_UQ)),
      exponential(power));
  const __m512 above =
      _mm512_sub_ps(_mm512_load_ps(room.gained + place), _mm512_load_ps(room.along + query));
  *share = narrowed(part);
  *slope = narrowed(_mm512_mul_ps(part, above));
}

LUTHIER_TILED void make_slopes(const HeadBackward& head, Room& room, const Block& block) {
  for (std::int64_t row = 0; row < block.keys; row += 2) {
    for (std::int64_t column = 0; column < block.queries; column += 16) {
      __m256i share[2], slope[2];
      for (int i = 0; i < 2; ++i) {
        share_and_slope(head, room, block, row + i, column, &share[i], &slope[i]);
        const std::int64_t place = (row + i) * kScores + column;
        _mm256_store_si256(reinterpret_cast<__m256i*>(room.shares + place), share[i]);
        _mm256_store_si256(reinterpret_cast<__m256i*>(room.slopes + place), slope[i]);
      }
      const __m512i pairs = pairs_of(slope[0], slope[1]);
      _mm512_store_si512(room.slopes_packed + column / 16 * (kScores / kStep) * kTile +
                             row / kStep * kTile + row % kStep / 2 * kStep,
                         pairs);
    }
  }
}

/// `count` rows of float32 numbers, so many times, rounded.
LUTHIER_TILED void write_rows(const float* from, std::int64_t count, std::int64_t size, float scale,
                              RowsToWrite to) {
  for (std::int64_t row = 0; row < count; ++row) {
    for (std::int64_t i = 0; i < size; i += 16) {
      const __m512 value =
          _mm512_mul_ps(_mm512_load_ps(from + row * size + i), _mm512_set1_ps(scale));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.start + row * to.stride + i),
                          narrowed(value));
    }
  }
}

/// The same of what stands transposed, [size, padded(count)].
LUTHIER_TILED void write_turned(const float* from, std::int64_t count, std::int64_t size,
                                float scale, RowsToWrite to) {
  const std::int64_t rows = padded(count);
  alignas(64) float line[16];
  for (std::int64_t row = 0; row < count; ++row) {
    for (std::int64_t i = 0; i < size; i += 16) {
      for (std::int64_t k = 0; k < 16; ++k) line[k] = from[(i + k) * rows + row];
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.start + row * to.stride + i),
                          narrowed(_mm512_mul_ps(_mm512_load_ps(line), _mm512_set1_ps(scale))));
    }
  }
}

/// The five products of a block.
void add_block(const HeadBackward& head, Room& room, const Block& block) {
  const std::int64_t size = head.size, across = size / kStep, rows = padded(head.length);
  const auto place = [&](Bits* packed) { return packed + block.query / 16 * across * kTile; };
  const Rows keys{room.keys + block.key * size, size}, values{room.values + block.key * size, size};
  product(keys, place(room.queries_turned), across * kTile, room.scores, kScores, block.keys,
          block.queries, size, false);
  product(values, place(room.gradients_turned), across * kTile, room.gained, kScores, block.keys,
          block.queries, size, false);
  make_slopes(head, room, block);
  const auto below = [&](Bits* packed) { return packed + block.query / kStep * kTile; };
  const std::int64_t down = rows / kStep * kTile;
  product({room.shares, kScores}, below(room.gradients), down, room.dv, size, block.keys, size,
          block.queries, true);
  product({room.slopes, kScores}, below(room.queries), down, room.dk, size, block.keys, size,
          block.queries, true);
  product({room.keys_turned + block.key, rows}, room.slopes_packed, kScores / kStep * kTile,
          room.dq_turned + block.query, rows, size, block.queries, block.keys, true);
}

template <class Number>
void clear(Number* from, std::int64_t count) {
  std::memset(from, 0, static_cast<std::size_t>(count) * sizeof(Number));
}

constexpr std::int64_t kQueries = 64;  ///< of a block of the forward, with all keys that they see

/// Where attend keeps what, in its scratch.
struct ForwardRoom {
  Bits* queries;               ///< [length, size], zeros behind
  Bits *keys_turned, *values;  ///< as right sides
  float* scores;               ///< of a block, [kQueries, length]
  Bits* powers;                ///< the same
  float* mixed;                ///< of a block, [kQueries, size]
};

/// Lays the parts out one after the other from `start`; → bytes in all.
std::int64_t lay_out(ForwardRoom& room, char* start, std::int64_t length, std::int64_t size) {
  std::int64_t used = 0;
  const auto take = [&](auto*& part, std::int64_t count) {
    part = reinterpret_cast<std::remove_reference_t<decltype(part)>>(start + used);
    used += (count * static_cast<std::int64_t>(sizeof *part) + 63) / 64 * 64;
  };
  const std::int64_t rows = padded(length);
  for (Bits** part : {&room.queries, &room.keys_turned, &room.values}) take(*part, rows * size);
  take(room.scores, kQueries * rows);
  take(room.powers, kQueries * rows);
  take(room.mixed, kQueries * size);
  return used;
}

/// Powers of the first `seen` scores of a query, zeros from there to `end`; → the largest score,
/// scaled, and writes the sum of the powers as they were, and as they are rounded: what is
/// multiplied with rounded ones is divided by their sum, so that the shares come to one.
LUTHIER_TILED float make_powers(const float* scores, std::int64_t seen, std::int64_t end,
                                float scale, Bits* powers, float* sum, float* rounded_sum) {
  const float largest = largest_score(scores, 0, seen) * scale;
  const __m512 factor = _mm512_set1_ps(scale), down = _mm512_set1_ps(largest);
  __m512 sums = _mm512_setzero_ps(), rounded = sums;
  for (std::int64_t i = 0; i < end; i += 16) {
    const __mmask16 there = lanes_before(i, seen);
    const __m512 power = _mm512_maskz_mov_ps(
        there, exponential(_mm512_fmsub_ps(_mm512_load_ps(scores + i), factor, down)));
    sums = _mm512_add_ps(sums, power);
    _mm256_store_si256(reinterpret_cast<__m256i*>(powers + i), narrowed(power));
    rounded = _mm512_add_ps(rounded, widened(powers + i));
  }
  *sum = _mm512_reduce_add_ps(sums);
  *rounded_sum = _mm512_reduce_add_ps(rounded);
  return largest;
}

}  // namespace

std::int64_t attend_scratch(std::int64_t length, std::int64_t size) {
  ForwardRoom room{};
  return lay_out(room, nullptr, length, size);
}

void attend(const HeadForward& head, void* scratch) {
  const std::int64_t length = head.length, size = head.size, rows = padded(length);
  ForwardRoom room{};
  lay_out(room, static_cast<char*>(scratch), length, size);
  copy_rows(head.q, length, size, room.queries);
  pack_turned(head.k, length, size, room.keys_turned);
  pack(head.v, length, size, room.values);
  const Tiles tiles;
  for (std::int64_t first = 0; first < rows; first += kQueries) {
    const std::int64_t count = std::min(kQueries, rows - first),
                       end = head.causal ? std::min(rows, first + count) : rows;
    product({room.queries + first * size, size}, room.keys_turned, size / kStep * kTile,
            room.scores, rows, count, end, size, false);
    float sums[kQueries];  // of rounded powers
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t query = first + i;
      if (query >= length) {
        clear(room.powers + i * rows, end);
        continue;
      }
      float sum = 0;
      const float largest = make_powers(room.scores + i * rows, head.causal ? query + 1 : length,
                                        end, head.scale, room.powers + i * rows, &sum, &sums[i]);
      head.log_sums[query] = largest + std::log(sum);
    }
    product({room.powers, rows}, room.values, rows / kStep * kTile, room.mixed, size, count, size,
            end, false);
    for (std::int64_t i = 0; i < std::min(count, length - first); ++i) {
      write_rows(room.mixed + i * size, 1, size, 1 / sums[i],
                 {head.result.start + (first + i) * head.result.stride, head.result.stride});
    }
  }
}

std::int64_t attend_back_scratch(std::int64_t length, std::int64_t size) {
  Room room{};
  return lay_out(room, nullptr, length, size);
}

void attend_back(const HeadBackward& head, void* scratch) {
  const std::int64_t length = head.length, size = head.size, rows = padded(length);
  Room room{};
  lay_out(room, static_cast<char*>(scratch), length, size);
  copy_rows(head.k, length, size, room.keys);
  copy_rows(head.v, length, size, room.values);
  for (std::int64_t i = 0; i < size; ++i)
    for (std::int64_t row = 0; row < rows; ++row)
      room.keys_turned[i * rows + row] = room.keys[row * size + i];
  pack(head.q, length, size, room.queries);
  pack(head.gradient, length, size, room.gradients);
  pack_turned(head.q, length, size, room.queries_turned);
  pack_turned(head.gradient, length, size, room.gradients_turned);
  prepare_queries(head, room);
  clear(room.dq_turned, size * rows);
  const Tiles tiles;
  for (std::int64_t key = 0; key < rows; key += kScores) {
    const std::int64_t keys = std::min(kScores, rows - key);
    clear(room.dk, kScores * size);
    clear(room.dv, kScores * size);
    for (std::int64_t query = head.causal ? key : 0; query < rows; query += kScores)
      add_block(head, room, {key, keys, query, std::min(kScores, rows - query)});
    const std::int64_t real = std::min(keys, length - key);
    write_rows(room.dk, real, size, head.scale,
               {head.dk.start + key * head.dk.stride, head.dk.stride});
    write_rows(room.dv, real, size, 1, {head.dv.start + key * head.dv.stride, head.dv.stride});
  }
  write_turned(room.dq_turned, length, size, head.scale, head.dq);
}

#else

std::int64_t attend_scratch(std::int64_t, std::int64_t) { return 0; }
void attend(const HeadForward&, void*) {}
std::int64_t attend_back_scratch(std::int64_t, std::int64_t) { return 0; }
void attend_back(const HeadBackward&, void*) {}

#endif

}  // namespace luthier::tiles
