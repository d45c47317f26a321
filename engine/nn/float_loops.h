// SPDX-License-Identifier: GPL-3.0-or-later
// Attention in float32 on processors with AVX-512: a head's products, seven for each block of
// scores, by loops of our own. A library's call for a block so small takes longer than its
// arithmetic. The order of all sums depends on the sizes alone.
#pragma once

#include <cstdint>

namespace luthier::floats {

/// Whether this processor has such instructions.
bool available();

/// Sizes of heads are multiples of it.
constexpr std::int64_t kStep = 32;
constexpr std::int64_t padded(std::int64_t size) { return (size + kStep - 1) / kStep * kStep; }

/// Rows of one head: number i of row r stands at start[r · stride + i].
struct Rows {
  const float* start = nullptr;
  std::int64_t stride = 0;
};
struct RowsToWrite {
  float* start = nullptr;
  std::int64_t stride = 0;
};

/// softmax(scale · q kᵀ) v of one head: what it is made of, and where it goes. `size` numbers each
/// (a multiple of kStep), as many keys as queries; scale > 0.
struct HeadForward {
  Rows q, k, v;
  RowsToWrite result;
  float* log_sums = nullptr;  ///< of each query, written: ln Σ exp(scale · q kᵀ)
  std::int64_t length = 0, size = 0;
  float scale = 1;
  bool causal = true;  ///< query i sees keys up to i
};
/// Bytes of `scratch` that attend wants; it begins at a multiple of 64.
std::int64_t attend_scratch(std::int64_t length, std::int64_t size);
/// Writes the result and the log of sums.
void attend(const HeadForward& head, void* scratch);

/// What its backward needs.
struct HeadBackward {
  Rows q, k, v, result, gradient;
  const float* log_sums = nullptr;
  std::int64_t log_sums_stride = 1;
  RowsToWrite dq, dk, dv;
  std::int64_t length = 0, size = 0;
  float scale = 1;
  bool causal = true;
};
std::int64_t attend_back_scratch(std::int64_t length, std::int64_t size);
/// Writes dq, dk and dv.
void attend_back(const HeadBackward& head, void* scratch);

}  // namespace luthier::floats
