// SPDX-License-Identifier: GPL-3.0-or-later
// activation(gate) · up and its two gradients, a block a row. Rounded once, where a number is
// stored, as the CPU's loops do. GELU's forms are written so that nothing cancels at its left end.
#include "common.cuh"

constexpr float kRootOfHalf = 0.70710678118654752440f;
constexpr float kDensity = 0.39894228040143267794f;  // 1 / √(2 π)
constexpr float kTwiceBeta = 1.5957691216057308f;    // 2 √(2 / π)
constexpr float kCubic = 0.044715f;                  // GELU's tanh form (Hendrycks & Gimpel 2016)
constexpr float kQuick = 1.702f;

__device__ inline float logistic(float x) { return 1 / (1 + expf(-x)); }

/// The share of x that passes: activation(x) = x · share. (1 + tanh u) / 2 is logistic(2 u), and
/// (1 + erf u) / 2 is erfc(−u) / 2.
__device__ inline float share_of(float x, Activation activation) {
  switch (activation) {
    case Activation::Gelu: return 0.5f * erfcf(-x * kRootOfHalf);
    case Activation::GeluTanh: return logistic(kTwiceBeta * (x + kCubic * (x * x * x)));
    case Activation::QuickGelu: return logistic(kQuick * x);
    case Activation::Silu: return logistic(x);
    case Activation::Relu: return x <= 0 ? 0 : 1;
    default: break;
  }
  return 1;
}

/// activation'(x), with the share of above.
__device__ inline float slope_of(float x, float share, Activation activation) {
  const float rest = share * (1 - share);
  switch (activation) {
    case Activation::Gelu: return share + x * kDensity * expf(x * x * -0.5f);
    case Activation::GeluTanh: return share + x * rest * kTwiceBeta * (1 + 3 * kCubic * (x * x));
    case Activation::QuickGelu: return share + x * rest * kQuick;
    case Activation::Silu: return share + x * rest;
    case Activation::Relu: return share;
    default: break;
  }
  return share;
}

template <class T, int kWide>
__device__ void gated_row(const T* gate, const T* up, T* y, int size, Activation activation) {
  float g[kWide], u[kWide];
  for (int i = static_cast<int>(threadIdx.x) * kWide; i < size;
       i += static_cast<int>(blockDim.x) * kWide) {
    load<kWide>(gate + i, g);
    load<kWide>(up + i, u);
    for (int j = 0; j < kWide; ++j) g[j] = g[j] * share_of(g[j], activation) * u[j];
    store<kWide>(y + i, g);
  }
}

template <class T, int kWide>
__device__ void gated_row_back(const T* gradient, const T* gate, const T* up, T* dgate, T* dup,
                               int size, Activation activation) {
  float d[kWide], g[kWide], u[kWide];
  for (int i = static_cast<int>(threadIdx.x) * kWide; i < size;
       i += static_cast<int>(blockDim.x) * kWide) {
    load<kWide>(gradient + i, d);
    load<kWide>(gate + i, g);
    load<kWide>(up + i, u);
    for (int j = 0; j < kWide; ++j) {
      const float x = g[j], share = share_of(x, activation);
      g[j] = d[j] * u[j] * slope_of(x, share, activation);
      d[j] = d[j] * (x * share);
    }
    if (dup) store<kWide>(dup + i, d);
    if (dgate) store<kWide>(dgate + i, g);
  }
}

#define GATED_KERNELS(T, type)                                                                 \
  LUTHIER_KERNEL(256)                                                                          \
  gated_forward_##type(const T* gate, long long gate_stride, const T* up, long long up_stride, \
                       T* y, int size, int activation, int wide) {                             \
    const long long row = blockIdx.x;                                                          \
    gate += row * gate_stride, up += row * up_stride, y += row * size;                         \
    if (wide)                                                                                  \
      gated_row<T, 4>(gate, up, y, size, static_cast<Activation>(activation));                 \
    else                                                                                       \
      gated_row<T, 1>(gate, up, y, size, static_cast<Activation>(activation));                 \
  }                                                                                            \
  LUTHIER_KERNEL(256)                                                                          \
  gated_backward_##type(const T* gradient, const T* gate, long long gate_stride, const T* up,  \
                        long long up_stride, T* dgate, long long dgate_stride, T* dup,         \
                        long long dup_stride, int size, int activation, int wide) {            \
    const long long row = blockIdx.x;                                                          \
    gradient += row * size, gate += row * gate_stride, up += row * up_stride;                  \
    if (dgate) dgate += row * dgate_stride;                                                    \
    if (dup) dup += row * dup_stride;                                                          \
    if (wide)                                                                                  \
      gated_row_back<T, 4>(gradient, gate, up, dgate, dup, size,                               \
                           static_cast<Activation>(activation));                               \
    else                                                                                       \
      gated_row_back<T, 1>(gradient, gate, up, dgate, dup, size,                               \
                           static_cast<Activation>(activation));                               \
  }

GATED_KERNELS(float, float)
GATED_KERNELS(Bfloat16, bfloat16)
