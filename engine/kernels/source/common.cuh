// SPDX-License-Identifier: GPL-3.0-or-later
// What all kernels stand on: numbers of either storage type with float32 in between, several of
// them in one access, and sums of a block in one fixed order (a resumed run must come to the same
// bytes, so there are no atomics). No header of CUDA is included: a program that was carried to
// another machine has only the compiler's library there. tests/kernels compiles the same files as
// C++.
#pragma once

#include "shared.h"

using namespace luthier;

constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kLanes = 32;

/// A bfloat16 number by its bits: the upper half of a float32.
struct Bfloat16 {
  unsigned short bits;
};

__device__ inline float widen(float x) { return x; }
__device__ inline float widen(Bfloat16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}

template <class T>
__device__ T narrow(float x);
template <>
__device__ inline float narrow<float>(float x) {
  return x;
}
/// To the nearest, to an even one where two are as near.
template <>
__device__ inline Bfloat16 narrow<Bfloat16>(float x) {
  const unsigned bits = __float_as_uint(x);
  const unsigned nearest = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return {static_cast<unsigned short>(x == x ? nearest : 0x7fc0u)};
}

/// As T holds it: where ATen writes a tensor between two of its kernels.
template <class T>
__device__ inline float rounded(float x) {
  return widen(narrow<T>(x));
}

/// So many neighbours in one access; the address is a multiple of their size.
template <class T, int kWide>
struct alignas(sizeof(T) * kWide) Pack {
  T of[kWide];
};

template <int kWide, class T>
__device__ inline void load(const T* from, float* values) {
  const Pack<T, kWide> pack = *reinterpret_cast<const Pack<T, kWide>*>(from);
#pragma unroll
  for (int j = 0; j < kWide; ++j) values[j] = widen(pack.of[j]);
}

template <int kWide, class T>
__device__ inline void store(T* to, const float* values) {
  Pack<T, kWide> pack;
#pragma unroll
  for (int j = 0; j < kWide; ++j) pack.of[j] = narrow<T>(values[j]);
  *reinterpret_cast<Pack<T, kWide>*>(to) = pack;
}

/// The sum over a warp, the same bits in each lane: a + b is b + a.
__device__ inline float warp_sum(float value) {
#pragma unroll
  for (int step = kLanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

__device__ inline float warp_maximum(float value) {
#pragma unroll
  for (int step = kLanes / 2; step > 0; step /= 2)
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, step));
  return value;
}

/// What each warp found, in `shared` [32]: visible to all threads afterwards.
__device__ inline int gather_warps(float value, float* shared) {
  const int warps = static_cast<int>(blockDim.x) / kLanes;
  __syncthreads();  // what stood there may still be read
  if (threadIdx.x % kLanes == 0) shared[threadIdx.x / kLanes] = value;
  __syncthreads();
  return warps;
}

/// The sum over a block, the same on each of its threads: within warps, then the warps in order.
__device__ inline float block_sum(float value, float* shared) {
  const int warps = gather_warps(warp_sum(value), shared);
  float total = shared[0];
  for (int i = 1; i < warps; ++i) total += shared[i];
  return total;
}

__device__ inline float block_maximum(float value, float* shared) {
  const int warps = gather_warps(warp_maximum(value), shared);
  float most = shared[0];
  for (int i = 1; i < warps; ++i) most = fmaxf(most, shared[i]);
  return most;
}

// An entry that the host finds by its name, for blocks of at most so many threads.
#define LUTHIER_KERNEL(most) extern "C" __global__ void __launch_bounds__(most)
