// SPDX-License-Identifier: GPL-3.0-or-later
// Weights of four and of eight bits become numbers, as nn/packed_loops makes them on the CPU, bit
// for bit: what a code stands for times its block's scale, which may be packed in its turn, and
// whole numbers times their row's.
#include "common.cuh"

/// The scale of a block: a number, or a place in a map times the scale of its own block, and what
/// was taken off all of them.
__device__ inline float scale_of(const float* plain, const unsigned char* places, const float* map,
                                 const float* nested, float offset, long long block,
                                 int nested_shift) {
  if (!places) return plain[block];
  const float whole = map[places[block]] * nested[block >> nested_shift];
  return whole + offset;
}

/// Numbers [first, first + count) of the flattened weight; `first` is a multiple of eight, and so
/// is a block (2 to the `shift`), so that eight neighbours have one scale. `pairs`: what the halves
/// of a byte stand for, [256, 2].
template <class To, int kWide>
__device__ void expand_codes(const unsigned char* codes, const float* pairs, const float* plain,
                             const unsigned char* places, const float* map, const float* nested,
                             float offset, int shift, int nested_shift, long long first,
                             long long count, To* out) {
  const long long step = static_cast<long long>(gridDim.x) * blockDim.x * 8;
  for (long long i = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) * 8; i < count;
       i += step) {
    const long long at = first + i;
    const float scale = scale_of(plain, places, map, nested, offset, at >> shift, nested_shift);
    for (int part = 0; part < 8 && i + part < count; part += kWide) {
      float values[kWide];
      for (int j = 0; j < kWide; ++j) {
        const unsigned both = codes[(at + part + j) >> 1];
        values[j] = pairs[2 * both + ((part + j) & 1)] * scale;
      }
      store<kWide>(out + i + part, values);
    }
  }
}

#define EXPAND_KERNEL(To, to)                                                                    \
  LUTHIER_KERNEL(256)                                                                            \
  expand_four_bits_##to(const unsigned char* codes, const float* pairs, const float* plain,      \
                        const unsigned char* places, const float* map, const float* nested,      \
                        float offset, int shift, int nested_shift, long long first,              \
                        long long count, To* out, int wide) {                                    \
    if (wide)                                                                                    \
      expand_codes<To, 4>(codes, pairs, plain, places, map, nested, offset, shift, nested_shift, \
                          first, count, out);                                                    \
    else                                                                                         \
      expand_codes<To, 1>(codes, pairs, plain, places, map, nested, offset, shift, nested_shift, \
                          first, count, out);                                                    \
  }                                                                                              \
  LUTHIER_KERNEL(256)                                                                            \
  expand_eight_bits_##to(const signed char* codes, const float* scales, float factor,            \
                         long long cols, long long count, To* out) {                             \
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;                       \
    for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; \
         i += step)                                                                              \
      out[i] = narrow<To>(static_cast<float>(codes[i]) * scales[i / cols] * factor);             \
  }

EXPAND_KERNEL(float, float)
EXPAND_KERNEL(Bfloat16, bfloat16)
