// SPDX-License-Identifier: GPL-3.0-or-later
// Cross-entropy over rows of logits, a block a row, the gradient in the place of the logits. One
// pass finds the largest logit and the sum of exponentials together (Milakov & Gimelshein 2018),
// one writes the gradient.
#include "common.cuh"

constexpr float kLowest = -3.402823466e38f;

/// So far: the largest, and the sum of exp(x − largest).
struct Exponentials {
  float largest, sum;
};

__device__ inline void take(Exponentials& so_far, float x) {
  if (x > so_far.largest) {
    so_far.sum = so_far.sum * expf(so_far.largest - x) + 1;
    so_far.largest = x;
  } else {
    so_far.sum += expf(x - so_far.largest);
  }
}

template <class T, int kWide>
__device__ void entropy_row(T* logits, int vocabulary, long long target, float* loss, float factor,
                            bool writes, float* shared) {
  const int first = static_cast<int>(threadIdx.x) * kWide,
            step = static_cast<int>(blockDim.x) * kWide;
  float values[kWide];
  const bool counts = target >= 0;
  Exponentials own{kLowest, 0};
  for (int i = first; i < vocabulary && counts; i += step) {
    load<kWide>(logits + i, values);
    for (int j = 0; j < kWide; ++j) take(own, values[j]);
  }
  const float largest = block_maximum(own.largest, shared);
  const float sum = block_sum(own.sum * expf(own.largest - largest), shared);
  if (threadIdx.x == 0) {
    // A target beyond the vocabulary is a fault that has to be seen.
    const float picked =
        target < vocabulary ? widen(logits[counts ? target : 0]) : __uint_as_float(0x7fc00000u);
    *loss = counts ? logf(sum) + largest - picked : 0.0f;
  }
  if (!writes) return;
  __syncthreads();  // the target's logit has been read
  for (int i = first; i < vocabulary; i += step) {
    load<kWide>(logits + i, values);
    for (int j = 0; j < kWide; ++j) {
      const float share = expf(values[j] - largest) / sum;
      values[j] = counts ? (i + j == target ? share - 1 : share) * factor : 0.0f;
    }
    store<kWide>(logits + i, values);
  }
}

#define CROSS_ENTROPY_KERNEL(T, type)                                                         \
  LUTHIER_KERNEL(1024)                                                                        \
  cross_entropy_##type(T* logits, const long long* target, float* loss, int vocabulary,       \
                       float factor, int writes, int wide) {                                  \
    __shared__ float shared[kLanes];                                                          \
    const long long row = blockIdx.x;                                                         \
    logits += row * vocabulary;                                                               \
    if (wide)                                                                                 \
      entropy_row<T, 4>(logits, vocabulary, target[row], loss + row, factor, writes, shared); \
    else                                                                                      \
      entropy_row<T, 1>(logits, vocabulary, target[row], loss + row, factor, writes, shared); \
  }

CROSS_ENTROPY_KERNEL(float, float)
CROSS_ENTROPY_KERNEL(Bfloat16, bfloat16)
