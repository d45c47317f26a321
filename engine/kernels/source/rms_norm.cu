// SPDX-License-Identifier: GPL-3.0-or-later
// y = x / rms(x) · weight, a block a row, with the sum before it (the residual) where there is one.
// Rounded where nn/rms_norm.cpp rounds, which is as LlamaRMSNorm and GemmaRMSNorm do.
#include "common.cuh"

/// The normalised number under the weight.
template <class T>
__device__ inline float weighted_normal(float x, float scale, float weight, bool centred) {
  return centred ? x * scale * (weight + 1) : rounded<T>(x * scale) * weight;
}

template <class T, int kWide>
__device__ void rms_row(const T* x, const T* added, const T* weight, T* sum, T* y, float* scale,
                        int size, float epsilon, bool centred, float* shared) {
  const int first = static_cast<int>(threadIdx.x) * kWide,
            step = static_cast<int>(blockDim.x) * kWide;
  float values[kWide], others[kWide];
  float squares = 0;
  for (int i = first; i < size; i += step) {
    load<kWide>(x + i, values);
    if (added) {
      load<kWide>(added + i, others);
      for (int j = 0; j < kWide; ++j) values[j] = rounded<T>(values[j] + others[j]);
      store<kWide>(sum + i, values);
    }
    for (int j = 0; j < kWide; ++j) squares += values[j] * values[j];
  }
  const float mean = block_sum(squares, shared) / static_cast<float>(size);
  const float factor = rsqrtf(mean + epsilon);
  if (threadIdx.x == 0) *scale = factor;
  const T* from = added ? sum : x;  // each thread reads what it wrote itself
  for (int i = first; i < size; i += step) {
    load<kWide>(from + i, values);
    load<kWide>(weight + i, others);
    for (int j = 0; j < kWide; ++j)
      values[j] = weighted_normal<T>(values[j], factor, others[j], centred);
    store<kWide>(y + i, values);
  }
}

/// dx = (w·g − n · mean(w·g·n)) · scale, with n = x · scale; `passed` is what the sum's other use
/// hands back.
template <class T, int kWide>
__device__ void rms_row_back(const T* gradient, const T* x, const T* weight, float scale,
                             const T* passed, T* dx, int size, bool centred, float* shared) {
  const int first = static_cast<int>(threadIdx.x) * kWide,
            step = static_cast<int>(blockDim.x) * kWide;
  float g[kWide], n[kWide], w[kWide];
  const auto read = [&](int i) {
    load<kWide>(gradient + i, g);
    load<kWide>(x + i, n);
    load<kWide>(weight + i, w);
    for (int j = 0; j < kWide; ++j) {
      n[j] *= scale;
      g[j] *= centred ? w[j] + 1 : w[j];
    }
  };
  float products = 0;
  for (int i = first; i < size; i += step) {
    read(i);
    for (int j = 0; j < kWide; ++j) products += g[j] * n[j];
  }
  const float mean = block_sum(products, shared) / static_cast<float>(size);
  for (int i = first; i < size; i += step) {
    read(i);
    for (int j = 0; j < kWide; ++j) g[j] = (g[j] - n[j] * mean) * scale;
    if (passed) {
      load<kWide>(passed + i, n);
      for (int j = 0; j < kWide; ++j) g[j] = n[j] + rounded<T>(g[j]);
    }
    store<kWide>(dx + i, g);
  }
}

/// Σ g·n over a share of the rows, for 32 columns: eight rows side by side, then those in order.
template <class T>
__device__ void rms_weight_share(const T* gradient, const T* x, const float* scale, float* shares,
                                 long long rows, int size, long long x_stride,
                                 long long rows_a_share, float (*shared)[kLanes + 1]) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes,
            group = static_cast<int>(threadIdx.x) / kLanes,
            groups = static_cast<int>(blockDim.x) / kLanes;
  const int column = static_cast<int>(blockIdx.x) * kLanes + lane;
  const long long begin = blockIdx.y * rows_a_share,
                  end = begin + rows_a_share < rows ? begin + rows_a_share : rows;
  float sum = 0;
  if (column < size) {
    for (long long row = begin + group; row < end; row += groups)
      sum +=
          widen(gradient[row * size + column]) * (widen(x[row * x_stride + column]) * scale[row]);
  }
  shared[group][lane] = sum;
  __syncthreads();
  if (group != 0 || column >= size) return;
  for (int i = 1; i < groups; ++i) sum += shared[i][lane];
  shares[static_cast<long long>(blockIdx.y) * size + column] = sum;
}

template <class T>
__device__ void rms_weight_total(const float* shares, T* dweight, int count, int size) {
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= size) return;
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += shares[static_cast<long long>(i) * size + column];
  dweight[column] = narrow<T>(sum);
}

#define RMS_NORM_KERNELS(T, type)                                                                  \
  LUTHIER_KERNEL(256)                                                                              \
  rms_norm_forward_##type(const T* x, long long x_stride, const T* added, const T* weight, T* sum, \
                          T* y, float* scale, int size, float epsilon, int centred, int wide) {    \
    __shared__ float shared[kLanes];                                                               \
    const long long row = blockIdx.x;                                                              \
    x += row * x_stride, y += row * size, scale += row;                                            \
    if (added) added += row * size, sum += row * size;                                             \
    if (wide)                                                                                      \
      rms_row<T, 4>(x, added, weight, sum, y, scale, size, epsilon, centred, shared);              \
    else                                                                                           \
      rms_row<T, 1>(x, added, weight, sum, y, scale, size, epsilon, centred, shared);              \
  }                                                                                                \
  LUTHIER_KERNEL(256)                                                                              \
  rms_norm_backward_##type(const T* gradient, const T* x, long long x_stride, const T* weight,     \
                           const float* scale, const T* passed, T* dx, int size, int centred,      \
                           int wide) {                                                             \
    __shared__ float shared[kLanes];                                                               \
    const long long row = blockIdx.x;                                                              \
    gradient += row * size, x += row * x_stride, dx += row * size;                                 \
    if (passed) passed += row * size;                                                              \
    if (wide)                                                                                      \
      rms_row_back<T, 4>(gradient, x, weight, scale[row], passed, dx, size, centred, shared);      \
    else                                                                                           \
      rms_row_back<T, 1>(gradient, x, weight, scale[row], passed, dx, size, centred, shared);      \
  }                                                                                                \
  LUTHIER_KERNEL(256)                                                                              \
  rms_norm_weight_shares_##type(const T* gradient, const T* x, const float* scale, float* shares,  \
                                long long rows, int size, long long x_stride,                      \
                                long long rows_a_share) {                                          \
    __shared__ float shared[8][kLanes + 1];                                                        \
    rms_weight_share<T>(gradient, x, scale, shares, rows, size, x_stride, rows_a_share, shared);   \
  }                                                                                                \
  LUTHIER_KERNEL(256)                                                                              \
  rms_norm_weight_total_##type(const float* shares, T* dweight, int count, int size) {             \
    rms_weight_total<T>(shares, dweight, count, size);                                             \
  }

RMS_NORM_KERNELS(float, float)
RMS_NORM_KERNELS(Bfloat16, bfloat16)
