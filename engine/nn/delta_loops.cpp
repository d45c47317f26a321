// SPDX-License-Identifier: GPL-3.0-or-later
// The backward makes the forward again, head by head in room of its own: what is kept of a step is
// what the products made.
#include "engine/nn/delta_loops.h"

#include <cmath>
#include <cstring>

#include "engine/nn/cached_products.h"
#include "engine/nn/delta_chunks.h"

namespace luthier::delta {

#ifdef LUTHIER_HAS_AVX512

namespace {

using floats::inner_product;
using floats::kRegister;

std::size_t bytes_of(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); }

RuleSizes rule_sizes(const MixerSizes& sizes, std::int64_t length) {
  return {length, sizes.each(), sizes.key_dim, sizes.value_dim};
}

/// What the rule reads of one place. All [tokens, ...], padded as RuleRows wants them.
struct Parts {
  float *query, *key;                ///< [tokens, key_dim], of length 1
  float *query_length, *key_length;  ///< [tokens]: 1 / what they had
  float* value;                      ///< [each, tokens, value_dim]
  float *decay, *write;              ///< [each, tokens]
  float* taps;                       ///< [kernel, key_dim or value_dim]: of one part's channels
};
void lay_out(floats::Layout& layout, Parts& parts, const MixerSizes& sizes, const RuleSizes& rule) {
  const std::int64_t tokens = rule.padded();
  for (float** part : {&parts.query, &parts.key}) layout.take(*part, tokens * sizes.key_dim);
  for (float** part : {&parts.query_length, &parts.key_length}) layout.take(*part, tokens);
  layout.take(parts.value, rule.heads * tokens * sizes.value_dim);
  for (float** part : {&parts.decay, &parts.write}) layout.take(*part, rule.heads * tokens);
  layout.take(parts.taps, sizes.kernel * std::max(sizes.key_dim, sizes.value_dim));
}

struct MixRoom {
  Parts parts;
  float* out;  ///< [each, tokens, value_dim]
  float* rule;
};
std::int64_t lay_out(MixRoom& room, void* start, const MixerSizes& sizes, const RuleSizes& rule) {
  floats::Layout layout(start);
  lay_out(layout, room.parts, sizes, rule);
  layout.take(room.out, rule.heads * rule.padded() * sizes.value_dim);
  layout.take(room.rule, rule_scratch(rule) / static_cast<std::int64_t>(sizeof(float)));
  return layout.used();
}

struct MixBackRoom {
  Parts parts;
  float *out, *fresh;          ///< [each, tokens, value_dim]; out becomes gradients
  float* states;               ///< [each, chunks, key_dim, value_dim]
  float *of_query, *of_key;    ///< [tokens, key_dim]
  float *of_decay, *of_write;  ///< [each, tokens]
  float* rule;
};
std::int64_t lay_out(MixBackRoom& room, void* start, const MixerSizes& sizes,
                     const RuleSizes& rule) {
  floats::Layout layout(start);
  const std::int64_t tokens = rule.padded();
  lay_out(layout, room.parts, sizes, rule);
  for (float** part : {&room.out, &room.fresh})
    layout.take(*part, rule.heads * tokens * sizes.value_dim);
  layout.take(room.states, rule.heads * rule.chunks() * rule.state());
  for (float** part : {&room.of_query, &room.of_key}) layout.take(*part, tokens * sizes.key_dim);
  for (float** part : {&room.of_decay, &room.of_write}) layout.take(*part, rule.heads * tokens);
  const std::int64_t bytes = std::max(rule_scratch(rule), rule_back_scratch(rule));
  layout.take(room.rule, bytes / static_cast<std::int64_t>(sizeof(float)));
  return layout.used();
}

/// Channels of one part of a head, from `channel` on.
struct Stretch {
  std::int64_t channel, width;
};

/// [kernel, width] of the stretch's taps.
void turn_taps(const MixerSizes& sizes, const float* taps, const Stretch& of, float* to) {
  for (std::int64_t tap = 0; tap < sizes.kernel; ++tap)
    for (std::int64_t i = 0; i < of.width; ++i)
      to[tap * of.width + i] = taps[(of.channel + i) * sizes.kernel + tap];
}

LUTHIER_AVX512 inline __m512 sigmoid(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f);
  return _mm512_div_ps(one, _mm512_add_ps(one, exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

/// Sixteen channels' sums over the taps at `token` of a row; `x`: the row's first number of them.
LUTHIER_AVX512 inline __m512 convolved(const float* x, std::int64_t step, std::int64_t token,
                                       const float* taps, std::int64_t kernel, std::int64_t width) {
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t tap = std::max<std::int64_t>(0, kernel - 1 - token); tap < kernel; ++tap) {
    sum = _mm512_fmadd_ps(_mm512_loadu_ps(x + (token - kernel + 1 + tap) * step),
                          _mm512_loadu_ps(taps + tap * width), sum);
  }
  return sum;
}

/// SiLU of the convolution, [padded tokens, width], zeros behind the last. `taps`: turned.
LUTHIER_AVX512 void convolve(const float* x, std::int64_t step, std::int64_t tokens,
                             std::int64_t padded, const float* taps, std::int64_t kernel,
                             std::int64_t width, float* to) {
  for (std::int64_t token = 0; token < tokens; ++token, to += width) {
    for (std::int64_t i = 0; i < width; i += kRegister) {
      const __m512 sum = convolved(x + i, step, token, taps + i, kernel, width);
      _mm512_store_ps(to + i, _mm512_mul_ps(sum, sigmoid(sum)));
    }
  }
  std::memset(to, 0, bytes_of((padded - tokens) * width));
}

/// `gradient` [tokens, width] of that becomes the one of the sums; from those the one of x, and the
/// taps' ([width, kernel]; null: not asked for).
LUTHIER_AVX512 void convolve_back(const float* x, std::int64_t step, std::int64_t tokens,
                                  const float* taps, std::int64_t kernel, std::int64_t width,
                                  float* gradient, float* dx, std::int64_t dx_step, float* dtaps) {
  const __m512 one = _mm512_set1_ps(1.0f);
  for (std::int64_t token = 0; token < tokens; ++token) {
    for (std::int64_t i = 0; i < width; i += kRegister) {
      float* const own = gradient + token * width + i;
      const __m512 sum = convolved(x + i, step, token, taps + i, kernel, width),
                   share = sigmoid(sum), rest = _mm512_sub_ps(one, share);
      _mm512_store_ps(own, _mm512_mul_ps(_mm512_mul_ps(_mm512_load_ps(own), share),
                                         _mm512_fmadd_ps(sum, rest, one)));
    }
  }
  for (std::int64_t token = 0; token < tokens; ++token) {
    const std::int64_t first = std::max<std::int64_t>(0, token + kernel - tokens);
    for (std::int64_t i = 0; i < width; i += kRegister) {
      __m512 sum = _mm512_setzero_ps();
      for (std::int64_t tap = kernel - 1; tap >= first; --tap) {
        sum = _mm512_fmadd_ps(_mm512_load_ps(gradient + (token + kernel - 1 - tap) * width + i),
                              _mm512_loadu_ps(taps + tap * width + i), sum);
      }
      _mm512_storeu_ps(dx + token * dx_step + i, sum);
    }
  }
  if (!dtaps) return;
  for (std::int64_t tap = 0; tap < kernel; ++tap) {
    const std::int64_t before = kernel - 1 - tap;
    for (std::int64_t i = 0; i < width; i += kRegister) {
      __m512 sum = _mm512_setzero_ps();
      for (std::int64_t token = before; token < tokens; ++token) {
        sum = _mm512_fmadd_ps(_mm512_load_ps(gradient + token * width + i),
                              _mm512_loadu_ps(x + (token - before) * step + i), sum);
      }
      alignas(64) float sums[kRegister];
      _mm512_store_ps(sums, sum);
      for (std::int64_t k = 0; k < kRegister; ++k) dtaps[(i + k) * kernel + tap] = sums[k];
    }
  }
}

/// Rows become of length `scale`; `lengths`: 1 / what they had.
LUTHIER_AVX512 void make_unit(float* x, std::int64_t rows, std::int64_t size, float scale,
                              float* lengths) {
  constexpr float kEpsilon = 1e-6f;  // within the root, over the sum
  for (std::int64_t row = 0; row < rows; ++row, x += size) {
    lengths[row] = 1 / std::sqrt(inner_product(x, x, size) + kEpsilon);
    const __m512 factor = _mm512_set1_ps(lengths[row] * scale);
    for (std::int64_t i = 0; i < size; i += kRegister)
      _mm512_store_ps(x + i, _mm512_mul_ps(_mm512_load_ps(x + i), factor));
  }
}

/// `gradient` of such rows becomes that of what they were made of; `unit`: the rows made.
LUTHIER_AVX512 void make_unit_back(const float* unit, const float* lengths, std::int64_t rows,
                                   std::int64_t size, float scale, float* gradient) {
  for (std::int64_t row = 0; row < rows; ++row, unit += size, gradient += size) {
    const float along = inner_product(unit, gradient, size) / (scale * scale);
    const __m512 factor = _mm512_set1_ps(lengths[row] * scale), off = _mm512_set1_ps(along);
    for (std::int64_t i = 0; i < size; i += kRegister) {
      const __m512 across =
          _mm512_fnmadd_ps(off, _mm512_load_ps(unit + i), _mm512_load_ps(gradient + i));
      _mm512_store_ps(gradient + i, _mm512_mul_ps(across, factor));
    }
  }
}

float of_one(float x) { return 1 / (1 + std::exp(-x)); }
/// As at::softplus.
constexpr float kStraight = 20;
float softplus(float x) { return x > kStraight ? x : std::log1p(std::exp(x)); }

/// Everything of one place: where its numbers stand, in what they are given and in the room.
struct Head {
  const MixerSizes& sizes;
  const MixerGiven& given;
  const MixerPlace& place;
  RuleSizes rule;

  Head(const MixerSizes& of, const MixerGiven& from, const MixerPlace& at)
      : sizes(of), given(from), place(at), rule(rule_sizes(of, at.length)) {}
  float scale() const { return 1 / std::sqrt(static_cast<float>(sizes.key_dim)); }
  std::int64_t value_head(std::int64_t own) const { return place.head * sizes.each() + own; }
  Stretch queries() const { return {place.head * sizes.key_dim, sizes.key_dim}; }
  Stretch keys() const { return {sizes.keys() + place.head * sizes.key_dim, sizes.key_dim}; }
  Stretch values(std::int64_t own) const {
    return {2 * sizes.keys() + value_head(own) * sizes.value_dim, sizes.value_dim};
  }
  /// The row's first number of a stretch.
  const float* mixed(const Stretch& of) const {
    return given.mixed.start + place.first * given.mixed.step + of.channel;
  }
  float decay(std::int64_t token, std::int64_t head) const {
    return given.decay.start[(place.first + token) * given.decay.step + head] + given.bias[head];
  }
  float write(std::int64_t token, std::int64_t head) const {
    return of_one(given.write.start[(place.first + token) * given.write.step + head]);
  }
};

void make_stretch(const Head& head, const Stretch& of, float* taps, float* to) {
  turn_taps(head.sizes, head.given.taps, of, taps);
  convolve(head.mixed(of), head.given.mixed.step, head.place.length, head.rule.padded(), taps,
           head.sizes.kernel, of.width, to);
}

void make_parts(const Head& head, const Parts& parts) {
  const std::int64_t length = head.place.length, tokens = head.rule.padded(),
                     key = head.sizes.key_dim, value = head.sizes.value_dim;
  make_stretch(head, head.queries(), parts.taps, parts.query);
  make_stretch(head, head.keys(), parts.taps, parts.key);
  make_unit(parts.query, length, key, head.scale(), parts.query_length);
  make_unit(parts.key, length, key, 1, parts.key_length);
  for (std::int64_t own = 0; own < head.rule.heads; ++own) {
    make_stretch(head, head.values(own), parts.taps, parts.value + own * tokens * value);
    const std::int64_t number = head.value_head(own);
    const float rate = -std::exp(head.given.rate[number]);
    float *const decay = parts.decay + own * tokens, *const write = parts.write + own * tokens;
    for (std::int64_t token = 0; token < length; ++token) {
      decay[token] = rate * softplus(head.decay(token, number));
      write[token] = head.write(token, number);
    }
    for (float* each : {decay, write}) std::memset(each + length, 0, bytes_of(tokens - length));
  }
}

RuleRows rows_of(const Parts& parts) {
  return {parts.query, parts.key, parts.value, parts.decay, parts.write};
}

/// x · weight / rms(x) · SiLU(gate) of one token's head.
LUTHIER_AVX512 void norm_and_gate(const float* x, const float* gate, const float* weight,
                                  std::int64_t size, float epsilon, float* to) {
  const float factor =
      1 / std::sqrt(inner_product(x, x, size) / static_cast<float>(size) + epsilon);
  const __m512 scale = _mm512_set1_ps(factor);
  for (std::int64_t i = 0; i < size; i += kRegister) {
    const __m512 own = _mm512_loadu_ps(gate + i),
                 normed = _mm512_mul_ps(_mm512_mul_ps(_mm512_load_ps(x + i), scale),
                                        _mm512_loadu_ps(weight + i));
    _mm512_storeu_ps(to + i, _mm512_mul_ps(_mm512_mul_ps(own, sigmoid(own)), normed));
  }
}

/// x becomes its gradient. `dweight`: added to; null: not asked for.
LUTHIER_AVX512 void norm_and_gate_back(float* x, const float* gate, const float* weight,
                                       const float* gradient, std::int64_t size, float epsilon,
                                       float* dgate, float* dweight) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const float factor =
      1 / std::sqrt(inner_product(x, x, size) / static_cast<float>(size) + epsilon);
  const __m512 scale = _mm512_set1_ps(factor);
  alignas(64) float weighted[kMostSize];
  __m512 along = _mm512_setzero_ps();
  for (std::int64_t i = 0; i < size; i += kRegister) {
    const __m512 own = _mm512_loadu_ps(gate + i), share = sigmoid(own),
                 given = _mm512_loadu_ps(gradient + i),
                 normal = _mm512_mul_ps(_mm512_load_ps(x + i), scale),
                 factors = _mm512_loadu_ps(weight + i);
    const __m512 of_gate = _mm512_mul_ps(given, _mm512_mul_ps(normal, factors)),
                 of_normed = _mm512_mul_ps(given, _mm512_mul_ps(own, share)),
                 of_normal = _mm512_mul_ps(of_normed, factors),
                 slope = _mm512_mul_ps(share, _mm512_fmadd_ps(own, _mm512_sub_ps(one, share), one));
    _mm512_storeu_ps(dgate + i, _mm512_mul_ps(of_gate, slope));
    along = _mm512_fmadd_ps(of_normal, normal, along);
    _mm512_store_ps(weighted + i, of_normal);
    if (dweight) {
      _mm512_storeu_ps(dweight + i,
                       _mm512_fmadd_ps(of_normed, normal, _mm512_loadu_ps(dweight + i)));
    }
  }
  const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(along) / static_cast<float>(size));
  for (std::int64_t i = 0; i < size; i += kRegister) {
    const __m512 normal = _mm512_mul_ps(_mm512_load_ps(x + i), scale),
                 across = _mm512_fnmadd_ps(normal, mean, _mm512_load_ps(weighted + i));
    _mm512_store_ps(x + i, _mm512_mul_ps(across, scale));
  }
}

/// The gate's gradients, and `out` becomes its own.
void gates_back(const Head& head, const TokenRows& gradient, const MixerGradients& made,
                float* out) {
  const MixerSizes& sizes = head.sizes;
  const std::int64_t size = sizes.value_dim, tokens = head.rule.padded();
  float* const dweight = made.weight ? made.weight + head.place.head * size : nullptr;
  if (dweight) std::memset(dweight, 0, bytes_of(size));
  for (std::int64_t own = 0; own < head.rule.heads; ++own) {
    const std::int64_t first = head.value_head(own) * size;
    for (std::int64_t token = 0; token < head.place.length; ++token) {
      const std::int64_t row = head.place.first + token;
      norm_and_gate_back(out + (own * tokens + token) * size,
                         head.given.gate.start + row * head.given.gate.step + first,
                         head.given.weight, gradient.start + row * gradient.step + first, size,
                         sizes.epsilon, made.gate.start + row * made.gate.step + first, dweight);
    }
  }
}

/// From the gradients of g and β those of what the products made and of the mixer's own numbers.
void decays_back(const Head& head, const MixBackRoom& room, const MixerGradients& made) {
  const std::int64_t tokens = head.rule.padded();
  for (std::int64_t own = 0; own < head.rule.heads; ++own) {
    const std::int64_t number = head.value_head(own);
    const float rate = -std::exp(head.given.rate[number]);
    double of_rate = 0, of_bias = 0;  // of all tokens: terms of either sign
    for (std::int64_t token = 0; token < head.place.length; ++token) {
      const std::int64_t row = head.place.first + token, at = own * tokens + token;
      const float before = head.decay(token, number),
                  slope = before > kStraight ? 1 : of_one(before), of_decay = room.of_decay[at],
                  share = room.parts.write[at], of_before = of_decay * rate * slope;
      made.decay.start[row * made.decay.step + number] = of_before;
      made.write.start[row * made.write.step + number] = room.of_write[at] * share * (1 - share);
      of_rate += static_cast<double>(of_decay) * static_cast<double>(room.parts.decay[at]);
      of_bias += static_cast<double>(of_before);
    }
    if (made.rate) made.rate[number] = static_cast<float>(of_rate);
    if (made.bias) made.bias[number] = static_cast<float>(of_bias);
  }
}

void stretch_back(const Head& head, const Stretch& of, const MixerGradients& made, float* taps,
                  float* gradient) {
  turn_taps(head.sizes, head.given.taps, of, taps);
  convolve_back(head.mixed(of), head.given.mixed.step, head.place.length, taps, head.sizes.kernel,
                of.width, gradient,
                made.mixed.start + head.place.first * made.mixed.step + of.channel, made.mixed.step,
                made.taps ? made.taps + of.channel * head.sizes.kernel : nullptr);
}

}  // namespace

std::int64_t mixer_scratch(const MixerSizes& sizes, std::int64_t length) {
  MixRoom room{};
  return lay_out(room, nullptr, sizes, rule_sizes(sizes, length));
}

std::int64_t mixer_back_scratch(const MixerSizes& sizes, std::int64_t length) {
  MixBackRoom room{};
  return lay_out(room, nullptr, sizes, rule_sizes(sizes, length));
}

void mix(const MixerSizes& sizes, const MixerGiven& given, const MixerPlace& place,
         const TokenRowsToWrite& result, void* scratch) {
  const Head head(sizes, given, place);
  MixRoom room{};
  lay_out(room, scratch, sizes, head.rule);
  make_parts(head, room.parts);
  make_rule(head.rule, rows_of(room.parts), room.out, {}, room.rule);
  const std::int64_t size = sizes.value_dim, tokens = head.rule.padded();
  for (std::int64_t own = 0; own < head.rule.heads; ++own) {
    const std::int64_t first = head.value_head(own) * size;
    for (std::int64_t token = 0; token < place.length; ++token) {
      const std::int64_t row = place.first + token;
      norm_and_gate(room.out + (own * tokens + token) * size,
                    given.gate.start + row * given.gate.step + first, given.weight, size,
                    sizes.epsilon, result.start + row * result.step + first);
    }
  }
}

void mix_back(const MixerSizes& sizes, const MixerGiven& given, const MixerPlace& place,
              const TokenRows& gradient, const MixerGradients& made, void* scratch) {
  const Head head(sizes, given, place);
  MixBackRoom room{};
  lay_out(room, scratch, sizes, head.rule);
  const Parts& parts = room.parts;
  const RuleRows rows = rows_of(parts);
  const RuleKept kept{room.states, room.fresh};
  make_parts(head, parts);
  make_rule(head.rule, rows, room.out, kept, room.rule);
  gates_back(head, gradient, made, room.out);
  make_rule_back(head.rule, rows, kept, room.out,
                 {room.of_query, room.of_key, room.of_decay, room.of_write}, room.rule);
  decays_back(head, room, made);
  make_unit_back(parts.query, parts.query_length, place.length, sizes.key_dim, head.scale(),
                 room.of_query);
  make_unit_back(parts.key, parts.key_length, place.length, sizes.key_dim, 1, room.of_key);
  stretch_back(head, head.queries(), made, parts.taps, room.of_query);
  stretch_back(head, head.keys(), made, parts.taps, room.of_key);
  for (std::int64_t own = 0; own < head.rule.heads; ++own) {
    stretch_back(head, head.values(own), made, parts.taps,
                 room.out + own * head.rule.padded() * sizes.value_dim);
  }
}

#else

std::int64_t mixer_scratch(const MixerSizes&, std::int64_t) { return 0; }
std::int64_t mixer_back_scratch(const MixerSizes&, std::int64_t) { return 0; }
void mix(const MixerSizes&, const MixerGiven&, const MixerPlace&, const TokenRowsToWrite&, void*) {}
void mix_back(const MixerSizes&, const MixerGiven&, const MixerPlace&, const TokenRows&,
              const MixerGradients&, void*) {}

#endif

}  // namespace luthier::delta
