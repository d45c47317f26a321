// SPDX-License-Identifier: GPL-3.0-or-later
// Queries and keys on their way to attention, all heads of both in one launch and a warp a head:
// their RMSNorm where a model has one, then the rotation by position (halves layout). Rounded where
// nn/rms_norm.cpp and nn/rotary.cpp round, one after the other.
#include "common.cuh"

// A lane has one or two rounds to go: loops as they are, with fewer registers.

template <class T>
struct Heads {
  const T* x;  ///< [tokens, heads, size]; tokens may lie `stride` apart
  long long stride;
  const T* weight;  ///< [size], or null: no norm
  T* y;             ///< [tokens, heads, size]; without a norm it may be x
  long long y_stride;
  float* scale;     ///< [tokens, heads] where there is a norm
  int heads;
};

template <class T>
struct Turning {
  const T *cosine, *sine;  ///< [tokens, turned]
  int turned;              ///< so many features of a head are; the rest passes
  float sign;              ///< −1 turns back
};

/// The features i and i + half of a head, turned.
template <class T>
__device__ inline void turn(float& a, float& b, const Turning<T>& turning, long long token, int i,
                            int half) {
  const T *cosine = turning.cosine + token * turning.turned,
          *sine = turning.sine + token * turning.turned;
  const float first = a * widen(cosine[i]) - b * (turning.sign * widen(sine[i])),
              second = b * widen(cosine[i + half]) + a * (turning.sign * widen(sine[i + half]));
  a = first, b = second;
}

template <class T>
__device__ inline float head_normal(float x, float scale, float weight, bool centred) {
  return rounded<T>(centred ? x * scale * (weight + 1) : rounded<T>(x * scale) * weight);
}

/// Which head of which token is this warp's; false: none.
template <class T>
__device__ inline bool find_head(const Heads<T>& queries, const Heads<T>& keys, long long tokens,
                                 Heads<T>& own, long long& token, int& head) {
  const int both = queries.heads + keys.heads;
  const long long place =
      static_cast<long long>(blockIdx.x) * (blockDim.x / kLanes) + threadIdx.x / kLanes;
  token = place / both;
  head = static_cast<int>(place % both);
  if (token >= tokens) return false;
  own = head < queries.heads ? queries : keys;
  if (head >= queries.heads) head -= queries.heads;
  return true;
}

template <class T>
__device__ void heads_forward(const Heads<T>& queries, const Heads<T>& keys,
                              const Turning<T>& turning, long long tokens, int size, float epsilon,
                              bool centred) {
  Heads<T> own;
  long long token;
  int head;
  if (!find_head(queries, keys, tokens, own, token, head)) return;  // a whole warp's
  const int lane = static_cast<int>(threadIdx.x) % kLanes, half = turning.turned / 2;
  const T* x = own.x + token * own.stride + static_cast<long long>(head) * size;
  T* y = own.y + token * own.y_stride + static_cast<long long>(head) * size;
  float scale = 1;
  if (own.weight) {
    float squares = 0;
#pragma unroll 1
    for (int i = lane; i < size; i += kLanes) squares += widen(x[i]) * widen(x[i]);
    scale = rsqrtf(warp_sum(squares) / static_cast<float>(size) + epsilon);
    if (lane == 0) own.scale[token * own.heads + head] = scale;
  }
  const auto value = [&](int i) {
    const float wide = widen(x[i]);
    return own.weight ? head_normal<T>(wide, scale, widen(own.weight[i]), centred) : wide;
  };
#pragma unroll 1
  for (int i = lane; i < half; i += kLanes) {
    float a = value(i), b = value(i + half);
    turn(a, b, turning, token, i, half);
    y[i] = narrow<T>(a), y[i + half] = narrow<T>(b);
  }
#pragma unroll 1
  for (int i = turning.turned + lane; i < size; i += kLanes) y[i] = narrow<T>(value(i));
}

/// `y` of the heads is the gradient of their x here; `gradients` lie as that of attention does.
template <class T>
__device__ void heads_backward(const Heads<T>& queries, const Heads<T>& keys,
                               const Turning<T>& turning, const T* query_gradient,
                               const T* key_gradient, long long tokens, int size, bool centred) {
  Heads<T> own;
  long long token;
  int head;
  if (!find_head(queries, keys, tokens, own, token, head)) return;
  const bool of_queries = own.y == queries.y;
  const int lane = static_cast<int>(threadIdx.x) % kLanes, half = turning.turned / 2;
  const T* gradient =
      (of_queries ? query_gradient : key_gradient) + (token * own.heads + head) * size;
  const T* x = own.x + token * own.stride + static_cast<long long>(head) * size;
  T* dx = own.y + token * own.y_stride + static_cast<long long>(head) * size;
  const float scale = own.scale[token * own.heads + head];
  const auto factor = [&](int i) {
    return centred ? widen(own.weight[i]) + 1 : widen(own.weight[i]);
  };
  const auto pair = [&](int i, float& a, float& b) {
    a = widen(gradient[i]), b = widen(gradient[i + half]);
    turn(a, b, turning, token, i, half);
    a = rounded<T>(a) * factor(i), b = rounded<T>(b) * factor(i + half);
  };
  float products = 0, a, b;
#pragma unroll 1
  for (int i = lane; i < half; i += kLanes) {
    pair(i, a, b);
    products += a * (widen(x[i]) * scale);
    products += b * (widen(x[i + half]) * scale);
  }
#pragma unroll 1
  for (int i = turning.turned + lane; i < size; i += kLanes)
    products += widen(gradient[i]) * factor(i) * (widen(x[i]) * scale);
  const float mean = warp_sum(products) / static_cast<float>(size);
  const auto put = [&](int i, float weighted) {
    dx[i] = narrow<T>((weighted - widen(x[i]) * scale * mean) * scale);
  };
#pragma unroll 1
  for (int i = lane; i < half; i += kLanes) {
    pair(i, a, b);
    put(i, a), put(i + half, b);
  }
#pragma unroll 1
  for (int i = turning.turned + lane; i < size; i += kLanes) put(i, widen(gradient[i]) * factor(i));
}

#define HEADS_KERNELS(T, type)                                                                     \
  LUTHIER_KERNEL(256)                                                                              \
  heads_forward_##type(const T* query, long long query_stride, const T* query_weight, T* query_y,  \
                       long long query_y_stride, float* query_scale, int query_heads,              \
                       const T* key, long long key_stride, const T* key_weight, T* key_y,          \
                       long long key_y_stride, float* key_scale, int key_heads, const T* cosine,   \
                       const T* sine, int turned, float sign, long long tokens, int size,          \
                       float epsilon, int centred) {                                               \
    heads_forward<T>({query, query_stride, query_weight, query_y, query_y_stride, query_scale,     \
                      query_heads},                                                                \
                     {key, key_stride, key_weight, key_y, key_y_stride, key_scale, key_heads},     \
                     {cosine, sine, turned, sign}, tokens, size, epsilon, centred);                \
  }                                                                                                \
  LUTHIER_KERNEL(256)                                                                              \
  heads_backward_##type(const T* query, long long query_stride, const T* query_weight, T* query_d, \
                        long long query_d_stride, float* query_scale, int query_heads,             \
                        const T* key, long long key_stride, const T* key_weight, T* key_d,         \
                        long long key_d_stride, float* key_scale, int key_heads, const T* cosine,  \
                        const T* sine, int turned, const T* query_gradient, const T* key_gradient, \
                        long long tokens, int size, int centred) {                                 \
    heads_backward<T>({query, query_stride, query_weight, query_d, query_d_stride, query_scale,    \
                       query_heads},                                                               \
                      {key, key_stride, key_weight, key_d, key_d_stride, key_scale, key_heads},    \
                      {cosine, sine, turned, -1.0f}, query_gradient, key_gradient, tokens, size,   \
                      centred);                                                                    \
  }

HEADS_KERNELS(float, float)
HEADS_KERNELS(Bfloat16, bfloat16)
