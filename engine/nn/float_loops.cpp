// SPDX-License-Identifier: GPL-3.0-or-later
// A right side is laid out in panels of 32 columns, one row of 32 behind another.
#include "engine/nn/float_loops.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "engine/nn/cached_products.h"

namespace luthier::floats {

#ifdef LUTHIER_HAS_AVX512

namespace {

constexpr std::int64_t kQueries = 64;  ///< of a block of scores, with all keys that they see

/// As floats::product, where b is laid out in panels.
void product(Left a, const float* b, std::int64_t panel, float* c, std::int64_t c_stride,
             std::int64_t m, std::int64_t n, std::int64_t k, bool adds) {
  floats::product(a, {b, kStep, panel}, c, c_stride, m, n, k, adds);
}

/// Rows one after the other, zeros behind them up to padded(count).
void copy_rows(Rows rows, std::int64_t count, std::int64_t size, float* to) {
  const auto bytes = static_cast<std::size_t>(size) * sizeof(float);
  for (std::int64_t row = 0; row < count; ++row)
    std::memcpy(to + row * size, rows.start + row * rows.stride, bytes);
  std::memset(to + count * size, 0, static_cast<std::size_t>(padded(count) - count) * bytes);
}

/// The same rows as a right side: [size / 32][padded(count)][32].
void pack(const float* rows, std::int64_t count, std::int64_t size, float* to) {
  for (std::int64_t from = 0; from < size; from += kStep)
    for (std::int64_t row = 0; row < padded(count); ++row, to += kStep)
      std::memcpy(to, rows + row * size + from, kStep * sizeof(float));
}

/// Their transpose as a right side: [padded(count) / 32][size][32].
void pack_turned(const float* rows, std::int64_t count, std::int64_t size, float* to) {
  for (std::int64_t first = 0; first < padded(count); first += kStep, to += size * kStep)
    for (std::int64_t row = 0; row < kStep; ++row)
      for (std::int64_t i = 0; i < size; ++i) to[i * kStep + row] = rows[(first + row) * size + i];
}

/// `count` rows, so many times.
LUTHIER_AVX512 void write_rows(const float* from, std::int64_t count, std::int64_t size,
                               float scale, RowsToWrite to) {
  for (std::int64_t row = 0; row < count; ++row)
    for (std::int64_t i = 0; i < size; i += 16)
      _mm512_storeu_ps(to.start + row * to.stride + i,
                       _mm512_mul_ps(_mm512_load_ps(from + row * size + i), _mm512_set1_ps(scale)));
}

struct ForwardRoom {
  float *rows, *other;          ///< [length, size], zeros behind
  float *keys_turned, *values;  ///< as right sides
  float* scores;                ///< of a block, then its powers
  float* mixed;                 ///< of a block
};
std::int64_t lay_out(ForwardRoom& room, void* start, std::int64_t length, std::int64_t size) {
  const std::int64_t rows = padded(length);
  Layout layout(start);
  for (float** part : {&room.rows, &room.other, &room.keys_turned, &room.values})
    layout.take(*part, rows * size);
  layout.take(room.scores, kQueries * rows);
  layout.take(room.mixed, kQueries * size);
  return layout.used();
}

struct BackwardRoom {
  float *queries, *gradients, *other;         ///< [length, size], zeros behind
  float *keys, *keys_turned, *values_turned;  ///< as right sides
  float *queries_packed, *gradients_packed;   ///< the same
  float *scores, *gained;   ///< of a block, then the shares and the scores' gradient
  float *dk, *dv, *dq;      ///< [length, size]; dq of a block
  float *log_sums, *along;  ///< of each query; `along`: Σ gradient · result
};
std::int64_t lay_out(BackwardRoom& room, void* start, std::int64_t length, std::int64_t size) {
  const std::int64_t rows = padded(length);
  Layout layout(start);
  for (float** part :
       {&room.queries, &room.gradients, &room.other, &room.keys, &room.keys_turned,
        &room.values_turned, &room.queries_packed, &room.gradients_packed, &room.dk, &room.dv})
    layout.take(*part, rows * size);
  layout.take(room.scores, kQueries * rows);
  layout.take(room.gained, kQueries * rows);
  layout.take(room.dq, kQueries * size);
  layout.take(room.log_sums, rows);
  layout.take(room.along, rows);
  return layout.used();
}

/// Which keys a block of queries looks at, in whole steps: all that any of them sees.
struct KeyRange {
  std::int64_t begin, end;
  std::int64_t keys() const { return end - begin; }
  /// What a query sees of them, counted from `begin`.
  SeenKeys within(SeenKeys seen) const {
    return {static_cast<std::int32_t>(seen.first - begin),
            static_cast<std::int32_t>(seen.end - begin)};
  }
};
template <class Head>
KeyRange range_of(const Head& head, std::int64_t first, std::int64_t count) {
  SeenKeys all = seen_by(head, first);
  for (std::int64_t query = first + 1; query < first + count; ++query) {
    const SeenKeys seen = seen_by(head, query);
    all = {std::min(all.first, seen.first), std::max(all.end, seen.end)};
  }
  return {all.first / kStep * kStep, padded(all.end)};
}

/// Scores of one query become powers: of those that it sees; the others up to `end` zeros. → what
/// the largest score is, scaled; `sum`: the powers'.
LUTHIER_AVX512 float make_powers(float* scores, SeenKeys seen, std::int64_t end, float scale,
                                 float* sum) {
  const float largest = largest_score(scores, seen.first, seen.end) * scale;
  const __m512 factor = _mm512_set1_ps(scale), down = _mm512_set1_ps(largest);
  __m512 sums = _mm512_setzero_ps();
  for (std::int64_t i = 0; i < end; i += 16) {
    const __m512 power =
        _mm512_maskz_mov_ps(lanes_between(i, seen.first, seen.end),
                            exponential(_mm512_fmsub_ps(_mm512_load_ps(scores + i), factor, down)));
    sums = _mm512_add_ps(sums, power);
    _mm512_store_ps(scores + i, power);
  }
  *sum = _mm512_reduce_add_ps(sums);
  return largest;
}

/// Scores of one query become shares, and the shares' gradient that of the scores, but for the
/// scale.
LUTHIER_AVX512 void make_slopes(float* scores, float* gained, SeenKeys seen, std::int64_t end,
                                float scale, float log_sum, float along) {
  const __m512 factor = _mm512_set1_ps(scale), down = _mm512_set1_ps(log_sum),
               off = _mm512_set1_ps(along);
  for (std::int64_t i = 0; i < end; i += 16) {
    const __m512 power = _mm512_fmsub_ps(_mm512_load_ps(scores + i), factor, down);
    const auto there =
        static_cast<__mmask16>(lanes_between(i, seen.first, seen.end) &
                               _mm512_cmp_ps_mask(power, _mm512_set1_ps(-87.0f), _CMP_NLT_UQ));
    const __m512 share = _mm512_maskz_mov_ps(there, exponential(power));
    _mm512_store_ps(scores + i, share);
    _mm512_store_ps(gained + i,
                    _mm512_mul_ps(share, _mm512_sub_ps(_mm512_load_ps(gained + i), off)));
  }
}

LUTHIER_AVX512 float inner(const float* a, const float* b, std::int64_t size) {
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t i = 0; i < size; i += 16)
    sum = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum);
  return _mm512_reduce_add_ps(sum);
}

/// So many keys before it is their turn a cache's keys and values are called near: they lie a
/// token's width apart, where no processor foresees them.
constexpr std::int64_t kKeysAhead = 12;

/// What a query makes of some keys, read as they lie; the scores behind the last are the last's.
LUTHIER_AVX512 void make_scores(const float* query, Rows keys, std::int64_t count,
                                std::int64_t size, float* scores) {
  constexpr int kBeside = 4;
  for (std::int64_t key = 0; key < count; key += kBeside) {
    const float* beside[kBeside];
    __m512 sum[kBeside];
#pragma GCC unroll 4
    for (int j = 0; j < kBeside; ++j) {
      beside[j] = keys.start + std::min(key + j, count - 1) * keys.stride;
      sum[j] = _mm512_setzero_ps();
    }
    for (std::int64_t i = 0; i < size; i += kRegister) {
      const __m512 own = _mm512_loadu_ps(query + i);
#pragma GCC unroll 4
      for (int j = 0; j < kBeside; ++j) {
        __builtin_prefetch(beside[j] + kKeysAhead * keys.stride + i);
        sum[j] = _mm512_fmadd_ps(own, _mm512_loadu_ps(beside[j] + i), sum[j]);
      }
    }
    _mm_storeu_ps(scores + key, four_sums(sum[0], sum[1], sum[2], sum[3]));
  }
}

/// `Registers` · 16 columns, from `column` on, of scale · Σ powers · values.
template <int Registers>
LUTHIER_AVX512 void mix_values(const float* powers, const TokenHead& head, std::int64_t column,
                               float scale, float* to) {
  __m512 sum[Registers];
#pragma GCC unroll 4
  for (int i = 0; i < Registers; ++i) sum[i] = _mm512_setzero_ps();
  for (const TokenKeys* keys : {&head.first, &head.others}) {
    const std::int64_t stride = keys->v.stride;
    const float* value = keys->v.start + column;
    for (std::int64_t key = 0; key < keys->count; ++key, value += stride) {
      const __m512 power = _mm512_set1_ps(*powers++);
#pragma GCC unroll 4
      for (int i = 0; i < Registers; ++i) {
        __builtin_prefetch(value + kKeysAhead * stride + i * kRegister);
        sum[i] = _mm512_fmadd_ps(power, _mm512_loadu_ps(value + i * kRegister), sum[i]);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < Registers; ++i)
    _mm512_storeu_ps(to + i * kRegister, _mm512_mul_ps(sum[i], _mm512_set1_ps(scale)));
}

void clear(float* from, std::int64_t count) {
  std::memset(from, 0, static_cast<std::size_t>(count) * sizeof(float));
}

}  // namespace

bool available() {
  static const bool found = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma");
  return found;
}

std::int64_t attend_scratch(std::int64_t length, std::int64_t size) {
  ForwardRoom room{};
  return lay_out(room, nullptr, length, size);
}

void attend(const HeadForward& head, void* scratch) {
  const std::int64_t length = head.length, size = head.size, rows = padded(length);
  ForwardRoom room{};
  lay_out(room, scratch, length, size);
  copy_rows(head.k, length, size, room.other);
  pack_turned(room.other, length, size, room.keys_turned);
  copy_rows(head.v, length, size, room.other);
  pack(room.other, length, size, room.values);
  copy_rows(head.q, length, size, room.rows);
  for (std::int64_t first = 0; first < rows; first += kQueries) {
    const std::int64_t count = std::min(kQueries, rows - first),
                       real = std::min(count, length - first);
    const KeyRange range = range_of(head, first, real);
    product({room.rows + first * size, size, 1}, room.keys_turned + range.begin * size,
            size * kStep, room.scores, rows, count, range.keys(), size, false);
    float sums[kQueries];
    for (std::int64_t i = 0; i < real; ++i) {
      const std::int64_t query = first + i;
      const float largest = make_powers(room.scores + i * rows, range.within(seen_by(head, query)),
                                        range.keys(), head.scale, &sums[i]);
      head.log_sums[query] = largest + std::log(sums[i]);
    }
    // What the rows behind the last query come to is written nowhere.
    product({room.scores, rows, 1}, room.values + range.begin * kStep, rows * kStep, room.mixed,
            size, count, size, range.keys(), false);
    for (std::int64_t i = 0; i < real; ++i) {
      write_rows(room.mixed + i * size, 1, size, 1 / sums[i],
                 {head.result.start + (first + i) * head.result.stride, head.result.stride});
    }
  }
}

std::int64_t attend_token_scratch(std::int64_t keys) {
  // Scores are made four at a time, those of the first keys before the others'.
  return padded(keys + 3) * static_cast<std::int64_t>(sizeof(float));
}

void attend_token(const TokenHead& head, void* scratch) {
  auto* const scores = static_cast<float*>(scratch);
  const std::int64_t keys = head.first.count + head.others.count;
  for (std::int64_t query = 0; query < head.count; ++query) {
    const float* const own = head.queries + query * head.size;
    make_scores(own, head.first.k, head.first.count, head.size, scores);
    make_scores(own, head.others.k, head.others.count, head.size, scores + head.first.count);
    float sum = 0;
    make_powers(scores, {0, static_cast<std::int32_t>(keys)}, padded(keys), head.scale, &sum);
    float* const to = head.result + query * head.size;
    for (std::int64_t i = 0; i < head.size; i += 4 * kRegister) {
      switch (std::min<std::int64_t>(4, (head.size - i) / kRegister)) {
        case 1: mix_values<1>(scores, head, i, 1 / sum, to + i); break;
        case 2: mix_values<2>(scores, head, i, 1 / sum, to + i); break;
        case 3: mix_values<3>(scores, head, i, 1 / sum, to + i); break;
        default: mix_values<4>(scores, head, i, 1 / sum, to + i);
      }
    }
  }
}

std::int64_t attend_back_scratch(std::int64_t length, std::int64_t size) {
  BackwardRoom room{};
  return lay_out(room, nullptr, length, size);
}

void attend_back(const HeadBackward& head, void* scratch) {
  const std::int64_t length = head.length, size = head.size, rows = padded(length);
  BackwardRoom room{};
  lay_out(room, scratch, length, size);
  copy_rows(head.v, length, size, room.other);
  pack_turned(room.other, length, size, room.values_turned);
  copy_rows(head.k, length, size, room.other);
  pack_turned(room.other, length, size, room.keys_turned);
  pack(room.other, length, size, room.keys);
  copy_rows(head.q, length, size, room.queries);
  pack(room.queries, length, size, room.queries_packed);
  copy_rows(head.gradient, length, size, room.gradients);
  pack(room.gradients, length, size, room.gradients_packed);
  for (std::int64_t i = 0; i < length; ++i) {
    room.log_sums[i] = head.log_sums[i * head.log_sums_stride];
    room.along[i] =
        inner(room.gradients + i * size, head.result.start + i * head.result.stride, size);
  }
  clear(room.dk, rows * size);
  clear(room.dv, rows * size);
  for (std::int64_t first = 0; first < rows; first += kQueries) {
    const std::int64_t count = std::min(kQueries, rows - first),
                       real = std::min(count, length - first);
    const KeyRange range = range_of(head, first, real);
    const std::int64_t keys = range.keys(), begin = range.begin;
    product({room.queries + first * size, size, 1}, room.keys_turned + begin * size, size * kStep,
            room.scores, rows, count, keys, size, false);
    product({room.gradients + first * size, size, 1}, room.values_turned + begin * size,
            size * kStep, room.gained, rows, count, keys, size, false);
    for (std::int64_t i = 0; i < count; ++i) {
      if (i >= real) {
        clear(room.scores + i * rows, keys);
        clear(room.gained + i * rows, keys);
        continue;
      }
      const std::int64_t query = first + i;
      make_slopes(room.scores + i * rows, room.gained + i * rows,
                  range.within(seen_by(head, query)), keys, head.scale, room.log_sums[query],
                  room.along[query]);
    }
    product({room.scores, 1, rows}, room.gradients_packed + first * kStep, rows * kStep,
            room.dv + begin * size, size, keys, size, count, true);
    product({room.gained, 1, rows}, room.queries_packed + first * kStep, rows * kStep,
            room.dk + begin * size, size, keys, size, count, true);
    product({room.gained, rows, 1}, room.keys + begin * kStep, rows * kStep, room.dq, size, count,
            size, keys, false);
    write_rows(room.dq, real, size, head.scale,
               {head.dq.start + first * head.dq.stride, head.dq.stride});
  }
  write_rows(room.dk, length, size, head.scale, head.dk);
  write_rows(room.dv, length, size, 1, head.dv);
}

#else

bool available() { return false; }
std::int64_t attend_scratch(std::int64_t, std::int64_t) { return 0; }
void attend(const HeadForward&, void*) {}
std::int64_t attend_token_scratch(std::int64_t) { return 0; }
void attend_token(const TokenHead&, void*) {}
std::int64_t attend_back_scratch(std::int64_t, std::int64_t) { return 0; }
void attend_back(const HeadBackward&, void*) {}

#endif

}  // namespace luthier::floats
