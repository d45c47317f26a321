// SPDX-License-Identifier: GPL-3.0-or-later
// A block's sixteen numbers are made first, then looked up, whatever they are rounded to.
#include "engine/nn/packed_loops.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "engine/nn/powers.h"

namespace luthier::packed {

namespace {

using at::BFloat16;
using at::Half;

/// The numbers [first, last) of one block by a table of what its codes stand for.
template <class T>
void look_up(const std::uint8_t* bytes, const T* table, std::int64_t first, std::int64_t last,
             T* out) {
  std::int64_t at = first;
  if (at % 2 == 1 && at < last) out[at - first] = table[bytes[at / 2] & 15], ++at;
  for (; at + 1 < last; at += 2) {
    const std::uint8_t both = bytes[at / 2];
    out[at - first] = table[both >> 4];
    out[at - first + 1] = table[both & 15];
  }
  if (at < last) out[at - first] = table[bytes[at / 2] >> 4];
}

#ifdef LUTHIER_HAS_AVX512

#define LUTHIER_LOOKS_UP __attribute__((target("avx512f,avx512bw")))

/// 64 codes in the order of their numbers.
LUTHIER_LOOKS_UP inline __m512i codes_of(const std::uint8_t* bytes) {
  const __m512i wide =
      _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
  const __m512i halves = _mm512_or_si512(_mm512_srli_epi16(wide, 4), _mm512_slli_epi16(wide, 8));
  return _mm512_and_si512(halves, _mm512_set1_epi16(0x0f0f));
}

/// Sixteen numbers as bfloat16 or float16, to the nearest, ties to even.
template <class T>
LUTHIER_LOOKS_UP inline __m256i narrowed_numbers(__m512 numbers) {
  if constexpr (std::is_same_v<T, Half>) {
    return _mm512_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  } else {
    const __m512i bits = _mm512_castps_si512(numbers);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_add_epi32(bits, up), 16));
  }
}

LUTHIER_LOOKS_UP inline void put(__m128i sixteen, __m512 table, float* to) {
  _mm512_storeu_ps(to, _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(sixteen), table));
}

/// 64 numbers of one block whose sixteen are `numbers`.
LUTHIER_LOOKS_UP inline void look_up_wide(const std::uint8_t* bytes, __m512 numbers, float* out) {
  const __m512i codes = codes_of(bytes);
  put(_mm512_castsi512_si128(codes), numbers, out);
  put(_mm512_extracti32x4_epi32(codes, 1), numbers, out + 16);
  put(_mm512_extracti32x4_epi32(codes, 2), numbers, out + 32);
  put(_mm512_extracti32x4_epi32(codes, 3), numbers, out + 48);
}

template <class T>
LUTHIER_LOOKS_UP inline void look_up_wide(const std::uint8_t* bytes, __m512 numbers, T* out) {
  const __m512i codes = codes_of(bytes);
  const __m512i table = _mm512_castsi256_si512(narrowed_numbers<T>(numbers));
  const __m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(codes)),
                high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(codes, 1));
  _mm512_storeu_si512(out, _mm512_permutexvar_epi16(low, table));
  _mm512_storeu_si512(out + 32, _mm512_permutexvar_epi16(high, table));
}

template <class T>
LUTHIER_LOOKS_UP void expand_wide(const Codes& codes, std::int64_t first, std::int64_t last,
                                  T* out) {
  const __m512 values = _mm512_loadu_ps(codes.values);
  std::int64_t end = (first / codes.block + 1) * codes.block, which = 0;
  for (std::int64_t at = first; at < last; ++which, end += codes.block) {
    const std::int64_t stop = std::min(last, end);
    __m512 numbers = values;
    if (codes.zeros) numbers = _mm512_sub_ps(numbers, _mm512_set1_ps(codes.zeros[which]));
    numbers = _mm512_mul_ps(numbers, _mm512_set1_ps(codes.scales[which]));
    const bool even = at % 2 == 0;
    for (; even && at + 64 <= stop; at += 64)
      look_up_wide(codes.bytes + at / 2, numbers, out + (at - first));
    if (at == stop) continue;
    alignas(64) std::array<T, 16> table;
    if constexpr (std::is_same_v<T, float>)
      _mm512_store_ps(table.data(), numbers);
    else
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(table.data()), narrowed_numbers<T>(numbers));
    look_up(codes.bytes, table.data(), at, stop, out + (at - first));
    at = stop;
  }
}

#endif

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define LUTHIER_WIDENED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LUTHIER_WIDENED
#endif

LUTHIER_WIDENED void scale_bytes(const std::int8_t* codes, float scale, float factor,
                                 std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(codes[i]) * scale * factor;
}

}  // namespace

bool available() {
#ifdef LUTHIER_HAS_AVX512
  static const bool found = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
  return found;
#else
  return false;
#endif
}

template <class T>
void expand_plainly(const Codes& codes, std::int64_t first, std::int64_t last, T* out) {
  std::int64_t end = (first / codes.block + 1) * codes.block, which = 0;
  for (std::int64_t at = first; at < last; ++which, end += codes.block) {
    const std::int64_t stop = std::min(last, end);
    const float scale = codes.scales[which];
    std::array<T, 16> table;
    for (std::size_t i = 0; i < 16; ++i) {
      const float value = codes.zeros ? codes.values[i] - codes.zeros[which] : codes.values[i];
      table[i] = static_cast<T>(value * scale);
    }
    look_up(codes.bytes, table.data(), at, stop, out + (at - first));
    at = stop;
  }
}

template <class T>
void expand(const Codes& codes, std::int64_t first, std::int64_t last, T* out) {
#ifdef LUTHIER_HAS_AVX512
  if (available()) return expand_wide(codes, first, last, out);
#endif
  expand_plainly(codes, first, last, out);
}

template <class T>
void expand_bytes(const std::int8_t* codes, float scale, float factor, std::int64_t count, T* out) {
  if constexpr (std::is_same_v<T, float>) {
    scale_bytes(codes, scale, factor, count, out);
  } else {
    std::array<float, 1024> made;
    for (std::int64_t at = 0; at < count; at += 1024) {
      const std::int64_t some = std::min<std::int64_t>(1024, count - at);
      scale_bytes(codes + at, scale, factor, some, made.data());
      for (std::int64_t i = 0; i < some; ++i)
        out[at + i] = static_cast<T>(made[static_cast<std::size_t>(i)]);
    }
  }
}

template void expand(const Codes&, std::int64_t, std::int64_t, float*);
template void expand(const Codes&, std::int64_t, std::int64_t, BFloat16*);
template void expand(const Codes&, std::int64_t, std::int64_t, Half*);
template void expand_plainly(const Codes&, std::int64_t, std::int64_t, float*);
template void expand_plainly(const Codes&, std::int64_t, std::int64_t, BFloat16*);
template void expand_plainly(const Codes&, std::int64_t, std::int64_t, Half*);
template void expand_bytes(const std::int8_t*, float, float, std::int64_t, float*);
template void expand_bytes(const std::int8_t*, float, float, std::int64_t, BFloat16*);
template void expand_bytes(const std::int8_t*, float, float, std::int64_t, Half*);

}  // namespace luthier::packed
