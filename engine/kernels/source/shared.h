// SPDX-License-Identifier: GPL-3.0-or-later
// What host and kernels must understand alike. Read by g++ and by CUDA's compilers, so it includes
// nothing and keeps to the types that both have by themselves.
#pragma once

namespace luthier {

/// What transformers' ACT2FN calls so. Kernels have those up to Relu; the others go through ATen.
enum class Activation : int {
  Gelu,
  GeluTanh,
  QuickGelu,
  Silu,
  Relu,
  Relu6,
  Relu2,  ///< relu(x)²
  LeakyRelu,
  Sigmoid,
  Tanh,
  Mish,
  Linear,  ///< x
};

/// One tensor of a step of AdamW.
struct AdamwTensor {
  float* parameter;      ///< moved: the trained tensor itself, or its master
  const void* gradient;  ///< of the trained tensor's type, or float
  float *first, *second;
  void* rounded;  ///< the trained tensor where `parameter` is its master; else null
  long long count;
};

/// As many as fit a launch's arguments, of which every driver takes 4,096 bytes.
constexpr int kAdamwTensors = 64;
struct AdamwList {
  AdamwTensor tensors[kAdamwTensors];
};

struct AdamwStep {
  float decay;      ///< rate · weight decay
  float step_size;  ///< rate / (1 − β₁ᵗ)
  float beta1_rest, beta2, beta2_rest;
  float root;  ///< √(1 − β₂ᵗ)
  float epsilon;
};

}  // namespace luthier
