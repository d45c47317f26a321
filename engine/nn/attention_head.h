// SPDX-License-Identifier: GPL-3.0-or-later
// One head of attention as loops of our own take it, whatever its numbers are (nn/float_loops,
// nn/tile_loops). No LibTorch.
#pragma once

#include <cstdint>

namespace luthier {

/// Sizes of heads are multiples of it.
inline constexpr std::int64_t kHeadStep = 32;
constexpr std::int64_t padded_to_step(std::int64_t size) {
  return (size + kHeadStep - 1) / kHeadStep * kHeadStep;
}

/// Rows of one head: number i of row r stands at start[r · stride + i].
template <class Number>
struct HeadRows {
  const Number* start = nullptr;
  std::int64_t stride = 0;
};
template <class Number>
struct HeadRowsToWrite {
  Number* start = nullptr;
  std::int64_t stride = 0;
};

/// Keys that a query sees: from `first` up to the one before `end`.
struct SeenKeys {
  std::int32_t first = 0, end = 0;
};

/// softmax(scale · q kᵀ) v of one head: what it is made of, and where it goes. `size` numbers each
/// (a multiple of kHeadStep), as many keys as queries; scale > 0.
template <class Number>
struct HeadForwardOf {
  HeadRows<Number> q, k, v;
  HeadRowsToWrite<Number> result;
  float* log_sums = nullptr;  ///< of each query, written: ln Σ exp(scale · q kᵀ)
  std::int64_t length = 0, size = 0;
  float scale = 1;
  bool causal = true;              ///< query i sees keys up to i
  const SeenKeys* seen = nullptr;  ///< of each query, in place of `causal`; it sees one at least
};

/// What its backward needs.
template <class Number>
struct HeadBackwardOf {
  HeadRows<Number> q, k, v, result, gradient;
  const float* log_sums = nullptr;  ///< of each query: ln Σ exp(scale · q kᵀ)
  std::int64_t log_sums_stride = 1;
  HeadRowsToWrite<Number> dq, dk, dv;
  std::int64_t length = 0, size = 0;
  float scale = 1;
  bool causal = true;              ///< query i sees keys up to i
  const SeenKeys* seen = nullptr;  ///< of each query, in place of `causal`; it sees one at least
};

/// What one query of `head` sees.
template <class Head>
SeenKeys seen_by(const Head& head, std::int64_t query) {
  if (head.seen) return head.seen[query];
  return {0, static_cast<std::int32_t>(head.causal ? query + 1 : head.length)};
}

}  // namespace luthier
