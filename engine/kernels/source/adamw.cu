// SPDX-License-Identifier: GPL-3.0-or-later
// A step of AdamW over a list of tensors, a row of blocks each: moments and master in float32, and
// the trained tensor's rounding in the same pass. As ATen's fused kernel computes it. The gradients
// of one micro-batch have the trained tensor's type, sums of several are float.
#include "common.cuh"

template <class G, class T, int kWide>
__device__ void adamw_tensor(const AdamwTensor& tensor, const AdamwStep& step) {
  const G* gradient = static_cast<const G*>(tensor.gradient);
  T* rounded_to = static_cast<T*>(tensor.rounded);
  float p[kWide], g[kWide], m[kWide], v[kWide];
  const long long stride = static_cast<long long>(gridDim.x) * blockDim.x * kWide;
  for (long long i = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) * kWide;
       i < tensor.count; i += stride) {
    load<kWide>(tensor.parameter + i, p);
    load<kWide>(gradient + i, g);
    load<kWide>(tensor.first + i, m);
    load<kWide>(tensor.second + i, v);
    for (int j = 0; j < kWide; ++j) {
      p[j] -= step.decay * p[j];
      m[j] += step.beta1_rest * (g[j] - m[j]);
      v[j] = step.beta2 * v[j] + step.beta2_rest * g[j] * g[j];
      p[j] -= step.step_size * m[j] / (sqrtf(v[j]) / step.root + step.epsilon);
    }
    store<kWide>(tensor.parameter + i, p);
    store<kWide>(tensor.first + i, m);
    store<kWide>(tensor.second + i, v);
    if (rounded_to) store<kWide>(rounded_to + i, p);
  }
}

#define ADAMW_KERNEL(G, T, types)                                               \
  LUTHIER_KERNEL(256) adamw_##types(AdamwList list, AdamwStep step, int wide) { \
    const AdamwTensor tensor = list.tensors[blockIdx.y];                        \
    if (wide)                                                                   \
      adamw_tensor<G, T, 4>(tensor, step);                                      \
    else                                                                        \
      adamw_tensor<G, T, 1>(tensor, step);                                      \
  }

ADAMW_KERNEL(float, float, float)
ADAMW_KERNEL(Bfloat16, Bfloat16, bfloat16)
ADAMW_KERNEL(float, Bfloat16, float_bfloat16)
