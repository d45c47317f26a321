// SPDX-License-Identifier: GPL-3.0-or-later
// Of a chunk with keys K, queries Q, values V, what it may write β, c the sum of g so far, and the
// state S before it:
//   D_ij = e^(c_i − c_j) for i ≥ j,  A = β (K Kᵀ) D below the diagonal,  P = (Q Kᵀ) D
//   (I + A) N = β (V − e^c (K S))          what is written at each key
//   O = e^c (Q S) + P N                    what is read
//   S ← e^c_last S + Kᵀ (e^(c_last − c) N)
// The system is solved for N alone, row by row from what is known. Its backward is the transposed
// one, from the last row up. Keys and queries are what all heads have in common, so K Kᵀ, Q Kᵀ and
// the products with their gradients are made once.
#include "engine/nn/delta_chunks.h"

#include <cmath>
#include <cstring>

#include "engine/nn/cached_products.h"

namespace luthier::delta {

#ifdef LUTHIER_HAS_AVX512

namespace {

using floats::inner_product;
using floats::kRegister;
using floats::kTall;
using floats::product;
using floats::turn_panel;
using floats::whole_rows;

constexpr std::int64_t kSquare = kChunk * kChunk;

void clear(float* from, std::int64_t count) {
  std::memset(from, 0, static_cast<std::size_t>(count) * sizeof(float));
}

/// [rows, 32] and shorter, of one chunk.
struct Shared {
  float* keys_turned;         ///< [key_dim, 32]
  float *with_keys, *asked;   ///< K Kᵀ, Q Kᵀ
  float *sum, *grown, *left;  ///< [32]: c, e^c, e^(c_last − c)
  float *fade, *faded;        ///< D, (K Kᵀ) D below the diagonal
  float *less, *weights;      ///< −A, P
  float *read, *found;        ///< [rows, value_dim]: K S, Q S
};
void lay_out(floats::Layout& layout, Shared& room, const RuleSizes& sizes) {
  layout.take(room.keys_turned, sizes.key_dim * kChunk);
  for (float** part :
       {&room.with_keys, &room.asked, &room.fade, &room.faded, &room.less, &room.weights})
    layout.take(*part, kSquare);
  for (float** part : {&room.sum, &room.grown, &room.left}) layout.take(*part, kChunk);
  for (float** part : {&room.read, &room.found}) layout.take(*part, kChunk * sizes.value_dim);
}

struct ForwardRoom {
  Shared shared;
  float* state;          ///< [heads, key_dim, value_dim]: where none are kept
  float *fresh, *faint;  ///< [rows, value_dim]: N where it is not kept, e^(c_last − c) N
};
std::int64_t lay_out(ForwardRoom& room, void* start, const RuleSizes& sizes) {
  floats::Layout layout(start);
  lay_out(layout, room.shared, sizes);
  layout.take(room.state, sizes.heads * sizes.state());
  layout.take(room.fresh, kChunk * sizes.value_dim);
  layout.take(room.faint, kChunk * sizes.value_dim);
  return layout.used();
}

struct BackwardRoom {
  Shared shared;
  float* state;                         ///< [heads, key_dim, value_dim]: the gradient's
  float *state_turned, *before_turned;  ///< [value_dim, key_dim]: that, and the state, turned
  float* fresh_turned;                  ///< [value_dim, 32]
  float* solved;                        ///< [rows, value_dim]: the gradient of the system's sides
  float *of_found, *of_read;            ///< [rows, value_dim]: gradients of Q S and of K S
  float* to_keys;                       ///< [rows, key_dim]
  float *of_weights, *of_system;        ///< [rows, 32]: of P, of −A
  float *of_asked, *of_pairs, *turned;  ///< [32, 32]: of Q Kᵀ, of K Kᵀ, all heads' together
  double* slopes;  ///< [32]: the gradient of c, whose terms nearly cancel where they are added up
};
std::int64_t lay_out(BackwardRoom& room, void* start, const RuleSizes& sizes) {
  floats::Layout layout(start);
  lay_out(layout, room.shared, sizes);
  layout.take(room.state, sizes.heads * sizes.state());
  for (float** part : {&room.state_turned, &room.before_turned}) layout.take(*part, sizes.state());
  for (float** part : {&room.fresh_turned, &room.solved, &room.of_found, &room.of_read})
    layout.take(*part, kChunk * sizes.value_dim);
  layout.take(room.to_keys, kChunk * sizes.key_dim);
  for (float** part :
       {&room.of_weights, &room.of_system, &room.of_asked, &room.of_pairs, &room.turned})
    layout.take(*part, kSquare);
  layout.take(room.slopes, kChunk);
  return layout.used();
}

/// One chunk of a row.
struct Place {
  std::int64_t index, first, count;  ///< tokens
  std::int64_t rows;                 ///< the count in whole steps of kTall
};
Place place_of(const RuleSizes& sizes, std::int64_t index) {
  const std::int64_t first = index * kChunk, count = std::min(kChunk, sizes.length - first);
  return {index, first, count, (count + kTall - 1) / kTall * kTall};
}

/// K Kᵀ and Q Kᵀ.
void make_shared(const Shared& room, const RuleSizes& sizes, const RuleRows& rows,
                 const Place& at) {
  const std::int64_t size = sizes.key_dim;
  const float *key = rows.key + at.first * size, *query = rows.query + at.first * size;
  turn_panel(key, size, kChunk, size, room.keys_turned, kChunk);
  const auto turned = whole_rows(room.keys_turned, kChunk);
  product({key, size, 1}, turned, room.with_keys, kChunk, at.rows, kChunk, size, false);
  product({query, size, 1}, turned, room.asked, kChunk, at.rows, kChunk, size, false);
}

/// What one head's decays make of those.
LUTHIER_AVX512 void make_fading(const Shared& room, const float* decay, const float* write,
                                const Place& at) {
  float sum = 0;
  for (std::int64_t i = 0; i < kChunk; ++i) room.sum[i] = sum += decay[i];
  const __m512 whole = _mm512_set1_ps(sum);
  for (std::int64_t i = 0; i < kChunk; i += kRegister) {
    const __m512 here = _mm512_load_ps(room.sum + i);
    _mm512_store_ps(room.grown + i, exponential(here));
    _mm512_store_ps(room.left + i, exponential(_mm512_sub_ps(whole, here)));
  }
  for (std::int64_t row = 0; row < at.rows; ++row) {
    const __m512 here = _mm512_set1_ps(room.sum[row]), share = _mm512_set1_ps(-write[row]);
    for (std::int64_t i = 0; i < kChunk; i += kRegister) {
      const std::int64_t place = row * kChunk + i;
      // Hidden before it counts: what comes later would grow.
      const __m512 fade = _mm512_maskz_mov_ps(
          lanes_before(i, row + 1), exponential(_mm512_sub_ps(here, _mm512_load_ps(room.sum + i))));
      const __m512 faded =
          _mm512_maskz_mul_ps(lanes_before(i, row), fade, _mm512_load_ps(room.with_keys + place));
      _mm512_store_ps(room.fade + place, fade);
      _mm512_store_ps(room.faded + place, faded);
      _mm512_store_ps(room.less + place, _mm512_mul_ps(faded, share));
      _mm512_store_ps(room.weights + place,
                      _mm512_mul_ps(fade, _mm512_load_ps(room.asked + place)));
    }
  }
}

/// x [rows, width] becomes (I + A)⁻¹ x, from −A.
LUTHIER_AVX512 void solve(const float* less, float* x, std::int64_t rows, std::int64_t width) {
  for (std::int64_t first = 0; first < rows; first += kTall) {
    float* const own = x + first * width;
    if (first > 0)
      product({less + first * kChunk, kChunk, 1}, whole_rows(x, width), own, width, kTall, width,
              first, true);
    const float* const corner = less + first * kChunk + first;
    for (std::int64_t i = 0; i < width; i += kRegister) {
      __m512 row[kTall];
#pragma GCC unroll 8
      for (int j = 0; j < kTall; ++j) row[j] = _mm512_load_ps(own + j * width + i);
#pragma GCC unroll 8
      for (int j = 1; j < kTall; ++j) {
#pragma GCC unroll 8
        for (int t = 0; t < j; ++t)
          row[j] = _mm512_fmadd_ps(_mm512_set1_ps(corner[j * kChunk + t]), row[t], row[j]);
        _mm512_store_ps(own + j * width + i, row[j]);
      }
    }
  }
}

/// x [rows, width] becomes (I + A)⁻ᵀ x.
LUTHIER_AVX512 void solve_turned(const float* less, float* x, std::int64_t rows,
                                 std::int64_t width) {
  for (std::int64_t first = rows - kTall; first >= 0; first -= kTall) {
    float* const own = x + first * width;
    const std::int64_t behind = first + kTall;
    if (behind < rows)
      product({less + behind * kChunk + first, 1, kChunk}, whole_rows(x + behind * width, width),
              own, width, kTall, width, rows - behind, true);
    const float* const corner = less + first * kChunk + first;
    for (std::int64_t i = 0; i < width; i += kRegister) {
      __m512 row[kTall];
#pragma GCC unroll 8
      for (int j = 0; j < kTall; ++j) row[j] = _mm512_load_ps(own + j * width + i);
#pragma GCC unroll 8
      for (int j = kTall - 2; j >= 0; --j) {
#pragma GCC unroll 8
        for (int t = kTall - 1; t > j; --t)
          row[j] = _mm512_fmadd_ps(_mm512_set1_ps(corner[t * kChunk + j]), row[t], row[j]);
        _mm512_store_ps(own + j * width + i, row[j]);
      }
    }
  }
}

/// Row i of `to` becomes (adds: +=) factors[i] · row i of x; `to` may be x.
LUTHIER_AVX512 void scale_rows(const float* x, const float* factors, std::int64_t rows,
                               std::int64_t width, float* to) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, to += width) {
    const __m512 factor = _mm512_set1_ps(factors[row]);
    for (std::int64_t i = 0; i < width; i += kRegister)
      _mm512_store_ps(to + i, _mm512_mul_ps(_mm512_load_ps(x + i), factor));
  }
}

/// fresh = β (value − e^c read); `read` null: the state is empty.
LUTHIER_AVX512 void make_sides(const float* value, const float* write, const float* grown,
                               const float* read, std::int64_t rows, std::int64_t width,
                               float* fresh) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const __m512 share = _mm512_set1_ps(write[row]), factor = _mm512_set1_ps(grown[row]);
    for (std::int64_t i = row * width; i < (row + 1) * width; i += kRegister) {
      __m512 side = _mm512_load_ps(value + i);
      if (read) side = _mm512_fnmadd_ps(factor, _mm512_load_ps(read + i), side);
      _mm512_store_ps(fresh + i, _mm512_mul_ps(side, share));
    }
  }
}

LUTHIER_AVX512 void scale_all(const float* x, float factor, std::int64_t count, float* to) {
  const __m512 all = _mm512_set1_ps(factor);
  for (std::int64_t i = 0; i < count; i += kRegister)
    _mm512_store_ps(to + i, _mm512_mul_ps(_mm512_load_ps(x + i), all));
}

/// What stands before a chunk and becomes what stands before the next; `next` null: there is none.
struct States {
  const float* before;
  float* next;
};

void forward_chunk(const ForwardRoom& room, const RuleSizes& sizes, const RuleRows& rows,
                   std::int64_t head, const Place& at, const States& states, float* fresh,
                   float* out) {
  const Shared& own = room.shared;
  const std::int64_t keys = sizes.key_dim, values = sizes.value_dim, count = at.rows;
  const std::int64_t token = head * sizes.padded() + at.first;
  const float *key = rows.key + at.first * keys, *query = rows.query + at.first * keys;
  const bool empty = at.index == 0;
  make_fading(own, rows.decay + token, rows.write + token, at);
  if (!empty) {
    const auto before = whole_rows(states.before, values);
    product({key, keys, 1}, before, own.read, values, count, values, keys, false);
    product({query, keys, 1}, before, out, values, count, values, keys, false);
    scale_rows(out, own.grown, count, values, out);
  }
  make_sides(rows.value + token * values, rows.write + token, own.grown, empty ? nullptr : own.read,
             count, values, fresh);
  solve(own.less, fresh, count, values);
  clear(fresh + count * values, (kChunk - count) * values);
  product({own.weights, kChunk, 1}, whole_rows(fresh, values), out, values, count, values, count,
          !empty);
  clear(out + count * values, (kChunk - count) * values);
  if (!states.next) return;
  scale_rows(fresh, own.left, count, values, room.faint);
  if (!empty) scale_all(states.before, own.grown[kChunk - 1], sizes.state(), states.next);
  product({key, 1, keys}, whole_rows(room.faint, values), states.next, values, keys, values, count,
          !empty);
}

/// Onto `sums` the lower eight numbers and the upper ones.
LUTHIER_AVX512 inline void add_wide(__m512 x, __m512d* sums) {
  sums[0] = _mm512_add_pd(sums[0], _mm512_cvtps_pd(_mm512_castps512_ps256(x)));
  sums[1] = _mm512_add_pd(
      sums[1], _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1))));
}

/// Of P and −A the gradients [rows, 32] go onto those of Q Kᵀ and K Kᵀ and become β's
/// (`write_gradient` [32]) and c's.
LUTHIER_AVX512 void squares_back(const BackwardRoom& room, const float* write, const Place& at,
                                 float* write_gradient) {
  const Shared& own = room.shared;
  __m512d columns[4];
  for (__m512d& each : columns) each = _mm512_setzero_pd();
  for (std::int64_t row = 0; row < at.rows; ++row) {
    const __m512 share = _mm512_set1_ps(write[row]);
    __m512d along[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};
    __m512 shares = _mm512_setzero_ps();
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      const std::int64_t i = k * kRegister, place = row * kChunk + i;
      const __m512 fade = _mm512_load_ps(own.fade + place);
      const __m512 of_weight =
                       _mm512_maskz_loadu_ps(lanes_before(i, row + 1), room.of_weights + place),
                   of_less = _mm512_maskz_loadu_ps(lanes_before(i, row), room.of_system + place);
      _mm512_store_ps(room.of_asked + place,
                      _mm512_fmadd_ps(of_weight, fade, _mm512_load_ps(room.of_asked + place)));
      // −A = −β (K Kᵀ) D
      _mm512_store_ps(room.of_pairs + place,
                      _mm512_fnmadd_ps(_mm512_mul_ps(of_less, fade), share,
                                       _mm512_load_ps(room.of_pairs + place)));
      shares = _mm512_fnmadd_ps(of_less, _mm512_load_ps(own.faded + place), shares);
      // Of ln D_ij, which is c_i − c_j.
      const __m512 slope =
          _mm512_fmadd_ps(of_weight, _mm512_load_ps(own.weights + place),
                          _mm512_mul_ps(of_less, _mm512_load_ps(own.less + place)));
      add_wide(slope, along);
      add_wide(slope, columns + 2 * k);
    }
    room.slopes[row] = _mm512_reduce_add_pd(_mm512_add_pd(along[0], along[1]));
    write_gradient[row] = _mm512_reduce_add_ps(shares);
  }
  for (int k = 0; k < 4; ++k) {
    alignas(64) double sums[8];
    _mm512_store_pd(sums, columns[k]);
    for (std::int64_t i = 0; i < 8 && 8 * k + i < at.rows; ++i) room.slopes[8 * k + i] -= sums[i];
  }
}

/// From the gradient of the system's sides those of the values (in place of `gradient`), of β and
/// of what is read of the state; onto c's what e^c has.
LUTHIER_AVX512 void sides_back(const BackwardRoom& room, const RuleSizes& sizes, const float* value,
                               const float* write, const Place& at, float* gradient,
                               float* write_gradient) {
  const Shared& own = room.shared;
  const std::int64_t width = sizes.value_dim;
  const bool empty = at.index == 0;
  for (std::int64_t row = 0; row < at.rows; ++row) {
    const __m512 share = _mm512_set1_ps(write[row]), factor = _mm512_set1_ps(own.grown[row]);
    const __m512 less = _mm512_set1_ps(-write[row] * own.grown[row]);
    __m512 shares = _mm512_setzero_ps(), grows = _mm512_setzero_ps();
    for (std::int64_t i = row * width; i < (row + 1) * width; i += kRegister) {
      const __m512 solved = _mm512_load_ps(room.solved + i);
      __m512 side = _mm512_load_ps(value + i);
      if (!empty) {
        const __m512 read = _mm512_load_ps(own.read + i),
                     of_found = _mm512_mul_ps(factor, _mm512_load_ps(gradient + i)),
                     of_read = _mm512_mul_ps(less, solved);
        side = _mm512_fnmadd_ps(factor, read, side);
        grows = _mm512_fmadd_ps(of_found, _mm512_load_ps(own.found + i), grows);
        grows = _mm512_fmadd_ps(of_read, read, grows);
        _mm512_store_ps(room.of_found + i, of_found);
        _mm512_store_ps(room.of_read + i, of_read);
      }
      shares = _mm512_fmadd_ps(solved, side, shares);
      _mm512_store_ps(gradient + i, _mm512_mul_ps(solved, share));
    }
    write_gradient[row] += _mm512_reduce_add_ps(shares);
    room.slopes[row] += static_cast<double>(_mm512_reduce_add_ps(grows));
  }
}

/// to_keys [rows, key_dim] times e^(c_last − c) onto the keys' gradient; off `slopes`, c's, what
/// each has of its own key. → those added up, which c_last has.
LUTHIER_AVX512 double keys_back(const float* to_keys, const float* left, const float* key,
                                std::int64_t rows, std::int64_t width, float* key_gradient,
                                double* slopes) {
  double whole = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const __m512 factor = _mm512_set1_ps(left[row]);
    __m512 own = _mm512_setzero_ps();
    for (std::int64_t i = row * width; i < (row + 1) * width; i += kRegister) {
      const __m512 made = _mm512_mul_ps(factor, _mm512_load_ps(to_keys + i));
      own = _mm512_fmadd_ps(made, _mm512_load_ps(key + i), own);
      _mm512_store_ps(key_gradient + i, _mm512_add_ps(made, _mm512_load_ps(key_gradient + i)));
    }
    const auto sum = static_cast<double>(_mm512_reduce_add_ps(own));
    slopes[row] -= sum;
    whole += sum;
  }
  return whole;
}

void backward_chunk(const BackwardRoom& room, const RuleSizes& sizes, const RuleRows& rows,
                    const RuleKept& kept, std::int64_t head, const Place& at, float* gradient,
                    const RuleGradients& made) {
  const Shared& own = room.shared;
  const std::int64_t keys = sizes.key_dim, values = sizes.value_dim, count = at.rows;
  const std::int64_t token = head * sizes.padded() + at.first;
  const bool empty = at.index == 0, last = at.index + 1 == sizes.chunks();
  const float *key = rows.key + at.first * keys, *query = rows.query + at.first * keys,
              *write = rows.write + token, *fresh = kept.fresh + token * values,
              *before = kept.states + (head * sizes.chunks() + at.index) * sizes.state();
  float *of_state = room.state + head * sizes.state(), *of_key = made.key + at.first * keys,
        *of_query = made.query + at.first * keys, *of_write = made.write + token,
        *of_decay = made.decay + token;
  make_fading(own, rows.decay + token, write, at);
  if (!empty) {
    const auto state = whole_rows(before, values);
    product({key, keys, 1}, state, own.read, values, count, values, keys, false);
    product({query, keys, 1}, state, own.found, values, count, values, keys, false);
  }
  // What is written goes into the next state and into what this chunk reads.
  if (!last) {
    product({key, keys, 1}, whole_rows(of_state, values), room.solved, values, count, values, keys,
            false);
    scale_rows(room.solved, own.left, count, values, room.solved);
  }
  product({own.weights, 1, kChunk}, whole_rows(gradient, values), room.solved, values, count,
          values, count, !last);
  solve_turned(own.less, room.solved, count, values);
  turn_panel(fresh, values, kChunk, values, room.fresh_turned, kChunk);
  const auto turned = whole_rows(room.fresh_turned, kChunk);
  product({gradient, values, 1}, turned, room.of_weights, kChunk, count, kChunk, values, false);
  product({room.solved, values, 1}, turned, room.of_system, kChunk, count, kChunk, values, false);
  squares_back(room, write, at, of_write);
  sides_back(room, sizes, rows.value + token * values, write, at, gradient, of_write);
  double whole = 0;  // of c_last
  if (!last) {
    turn_panel(of_state, values, keys, values, room.state_turned, keys);
    product({fresh, values, 1}, whole_rows(room.state_turned, keys), room.to_keys, keys, count,
            keys, values, false);
    whole = keys_back(room.to_keys, own.left, key, count, keys, of_key, room.slopes);
  }
  if (!empty) {
    turn_panel(before, values, keys, values, room.before_turned, keys);
    const auto state = whole_rows(room.before_turned, keys);
    product({room.of_found, values, 1}, state, of_query, keys, count, keys, values, true);
    product({room.of_read, values, 1}, state, of_key, keys, count, keys, values, true);
    const float over = own.grown[kChunk - 1];
    if (!last) {
      for (std::int64_t i = 0; i < sizes.state(); i += values)
        whole += static_cast<double>(over * inner_product(before + i, of_state + i, values));
      scale_all(of_state, over, sizes.state(), of_state);
    }
    product({query, 1, keys}, whole_rows(room.of_found, values), of_state, values, keys, values,
            count, !last);
    product({key, 1, keys}, whole_rows(room.of_read, values), of_state, values, keys, values, count,
            true);
  }
  // c is the sum of g so far: each g is in all sums from its own on.
  double sum = whole;
  for (std::int64_t i = at.count - 1; i >= 0; --i)
    of_decay[i] = static_cast<float>(sum += room.slopes[i]);
}

/// onto x [32, 32] its transpose.
LUTHIER_AVX512 void add_turned(float* x, float* room) {
  turn_panel(x, kChunk, kChunk, kChunk, room, kChunk);
  for (std::int64_t i = 0; i < kSquare; i += kRegister)
    _mm512_store_ps(x + i, _mm512_add_ps(_mm512_load_ps(x + i), _mm512_load_ps(room + i)));
}

}  // namespace

std::int64_t rule_scratch(const RuleSizes& sizes) {
  ForwardRoom room{};
  return lay_out(room, nullptr, sizes);
}

std::int64_t rule_back_scratch(const RuleSizes& sizes) {
  BackwardRoom room{};
  return lay_out(room, nullptr, sizes);
}

void make_rule(const RuleSizes& sizes, const RuleRows& rows, float* out, const RuleKept& kept,
               void* scratch) {
  ForwardRoom room{};
  lay_out(room, scratch, sizes);
  const std::int64_t chunks = sizes.chunks(), size = sizes.state();
  for (std::int64_t index = 0; index < chunks; ++index) {
    const Place at = place_of(sizes, index);
    make_shared(room.shared, sizes, rows, at);
    for (std::int64_t head = 0; head < sizes.heads; ++head) {
      const std::int64_t token = (head * sizes.padded() + at.first) * sizes.value_dim;
      float* const own =
          kept.states ? kept.states + (head * chunks + index) * size : room.state + head * size;
      float* const next = kept.states ? own + size : own;
      forward_chunk(room, sizes, rows, head, at, {own, index + 1 < chunks ? next : nullptr},
                    kept.fresh ? kept.fresh + token : room.fresh, out + token);
    }
  }
}

void make_rule_back(const RuleSizes& sizes, const RuleRows& rows, const RuleKept& kept,
                    float* gradient, const RuleGradients& made, void* scratch) {
  BackwardRoom room{};
  lay_out(room, scratch, sizes);
  const std::int64_t size = sizes.key_dim;
  clear(made.query, sizes.padded() * size);
  clear(made.key, sizes.padded() * size);
  for (std::int64_t index = sizes.chunks() - 1; index >= 0; --index) {
    const Place at = place_of(sizes, index);
    make_shared(room.shared, sizes, rows, at);
    clear(room.of_asked, kSquare);
    clear(room.of_pairs, kSquare);
    for (std::int64_t head = 0; head < sizes.heads; ++head) {
      float* const own = gradient + (head * sizes.padded() + at.first) * sizes.value_dim;
      backward_chunk(room, sizes, rows, kept, head, at, own, made);
    }
    add_turned(room.of_pairs, room.turned);
    const float *key = rows.key + at.first * size, *query = rows.query + at.first * size;
    float *of_key = made.key + at.first * size, *of_query = made.query + at.first * size;
    product({room.of_pairs, kChunk, 1}, whole_rows(key, size), of_key, size, at.rows, size, at.rows,
            true);
    product({room.of_asked, 1, kChunk}, whole_rows(query, size), of_key, size, at.rows, size,
            at.rows, true);
    product({room.of_asked, kChunk, 1}, whole_rows(key, size), of_query, size, at.rows, size,
            at.rows, true);
  }
}

#else

std::int64_t rule_scratch(const RuleSizes&) { return 0; }
std::int64_t rule_back_scratch(const RuleSizes&) { return 0; }
void make_rule(const RuleSizes&, const RuleRows&, float*, const RuleKept&, void*) {}
void make_rule_back(const RuleSizes&, const RuleRows&, const RuleKept&, float*,
                    const RuleGradients&, void*) {}

#endif

}  // namespace luthier::delta
