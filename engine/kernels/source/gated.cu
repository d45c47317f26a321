// SPDX-License-Identifier: GPL-3.0-or-later
// activation(gate) · up and its two gradients, a block a row. Rounded where nn/layers.cpp rounds.
#include "common.cuh"

constexpr float kRootOfHalf = 0.70710678118654752440f;
constexpr float kBeta = 0.79788456080286535588f;  // √(2 / π)
constexpr float kCubic = 0.044715f;               // GELU's tanh form (Hendrycks & Gimpel 2016)
constexpr float kQuick = 1.702f;

__device__ inline float logistic(float x) { return 1 / (1 + expf(-x)); }

template <class T>
__device__ inline float activation_of(float x, Activation activation) {
  switch (activation) {
    case Activation::Gelu: return x * 0.5f * (1 + erff(x * kRootOfHalf));
    case Activation::GeluTanh: return 0.5f * x * (1 + tanhf(kBeta * (x + kCubic * (x * x * x))));
    case Activation::QuickGelu: return rounded<T>(logistic(rounded<T>(kQuick * x))) * x;
    case Activation::Silu: return x / (1 + expf(-x));
    case Activation::Relu: return x <= 0 ? 0 : x;  // a number that is none stays one
  }
  return x;
}

/// gradient · activation'(x).
__device__ inline float activation_back(float gradient, float x, Activation activation) {
  switch (activation) {
    case Activation::Gelu: {
      const float density = expf(x * x * -0.5f) * (kBeta * 0.5f);
      return gradient * (0.5f * (1 + erff(x * kRootOfHalf)) + x * density);
    }
    case Activation::GeluTanh: {
      const float curve = tanhf(kBeta * (x + kCubic * (x * x * x)));
      const float inner = kBeta * (1 + 3 * kCubic * (x * x));
      return gradient * (0.5f * (1 + curve) + 0.5f * x * ((1 - curve * curve) * inner));
    }
    case Activation::QuickGelu: {
      const float share = logistic(kQuick * x);
      return ((1 - share) * x * kQuick + 1) * share * gradient;
    }
    case Activation::Silu: {
      const float share = logistic(x);
      return gradient * share * (1 + x * (1 - share));
    }
    case Activation::Relu: return x <= 0 ? 0 : gradient;
  }
  return gradient;
}

template <class T, int kWide>
__device__ void gated_row(const T* gate, const T* up, T* y, int size, Activation activation) {
  float g[kWide], u[kWide];
  for (int i = static_cast<int>(threadIdx.x) * kWide; i < size;
       i += static_cast<int>(blockDim.x) * kWide) {
    load<kWide>(gate + i, g);
    load<kWide>(up + i, u);
    for (int j = 0; j < kWide; ++j) g[j] = rounded<T>(activation_of<T>(g[j], activation)) * u[j];
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
      const float opened = rounded<T>(activation_of<T>(g[j], activation)) * d[j];
      u[j] = activation_back(rounded<T>(d[j] * u[j]), g[j], activation);
      d[j] = opened;
    }
    if (dup) store<kWide>(dup + i, d);
    if (dgate) store<kWide>(dgate + i, u);
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
