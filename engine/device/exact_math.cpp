// SPDX-License-Identifier: GPL-3.0-or-later
// The settings of LibTorch's global context, kept and put back.
#include "engine/device/exact_math.h"

#include "engine/device/cuda_libraries.h"

namespace luthier {

ExactMath::ExactMath(torch::Device device) : set_(device.is_cuda()) {
  if (!set_) return;
  at::Context& context = at::globalContext();
  deterministic_ = context.deterministicAlgorithms();
  warn_only_ = context.deterministicAlgorithmsWarnOnly();
  fill_ = context.deterministicFillUninitializedMemory();
  cudnn_attention_ = context.userEnabledCuDNNSDP();
  cudnn_benchmark_ = context.benchmarkCuDNN();
  const bool exact = cublas_workspaces_are_fixed();
  if (!exact) {
    note_ = "CUBLAS_WORKSPACE_CONFIG is \"" + cublas_workspaces() +
            "\", so a resumed run may not end in the same bytes. :4096:8 and :16:8 keep them.";
  }
  // Containers set it, and LibTorch reads it as the program starts.
  if (context.float32MatmulPrecision() != at::Float32MatmulPrecision::HIGHEST) {
    if (!note_.empty()) note_ += " ";
    note_ +=
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE is set, so products of float32 numbers are made of 11 of "
        "their 24 bits. Unset it for all of them.";
  }
  // Where cuBLAS does not, nothing else need: LibTorch would refuse each product.
  context.setDeterministicAlgorithms(true, /*warn_only=*/!exact);
  context.setDeterministicFillUninitializedMemory(false);
  context.setSDPUseCuDNN(false);
  context.setBenchmarkCuDNN(false);
}

ExactMath::~ExactMath() {
  if (!set_) return;
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(deterministic_, warn_only_);
  context.setDeterministicFillUninitializedMemory(fill_);
  context.setSDPUseCuDNN(cudnn_attention_);
  context.setBenchmarkCuDNN(cudnn_benchmark_);
}

}  // namespace luthier
