// SPDX-License-Identifier: GPL-3.0-or-later
// bfloat16 products of small blocks on processors whose cores multiply tiles (Intel's AMX: 16 rows
// of 32 numbers with 32 rows of 16, added to 16 × 16 in float32; Intel's Software Developer's
// Manual, volume 1, chapter 18). They are for work where a call of a library costs more than its
// product: attention makes seven for each block of scores, forward and backward. What is multiplied
// is bfloat16 by its bits, sums are float32, and their order depends on the sizes alone.
#pragma once

#include <cstdint>

namespace luthier::tiles {

using Bits = std::uint16_t;  ///< of a bfloat16

/// Whether this processor has such tiles and the system lets this process use them.
bool available();

/// Sizes of blocks are multiples of it.
constexpr std::int64_t kStep = 32;
constexpr std::int64_t padded(std::int64_t size) { return (size + kStep - 1) / kStep * kStep; }

/// Rows of one head: number i of row r stands at start[r · stride + i].
struct Rows {
  const Bits* start = nullptr;
  std::int64_t stride = 0;
};
struct RowsToWrite {
  Bits* start = nullptr;
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
/// Writes the result and the log of sums. Powers are rounded to bfloat16 before they are multiplied
/// with the values; their sums are not.
void attend(const HeadForward& head, void* scratch);

/// What the backward of softmax(scale · q kᵀ) v needs of one head. Queries, keys and values have
/// `size` numbers each (a multiple of kStep), and there are as many keys as queries.
struct HeadBackward {
  Rows q, k, v, result, gradient;
  const float* log_sums = nullptr;  ///< of each query: ln Σ exp(scale · q kᵀ)
  std::int64_t log_sums_stride = 1;
  RowsToWrite dq, dk, dv;
  std::int64_t length = 0, size = 0;
  float scale = 1;
  bool causal = true;  ///< query i sees keys up to i
};

/// Bytes of `scratch` that attend_back wants; it begins at a multiple of 64.
std::int64_t attend_back_scratch(std::int64_t length, std::int64_t size);
/// Writes dq, dk and dv. Shares and their gradients are rounded to bfloat16 before they are
/// multiplied; all sums are float32 and rounded once.
void attend_back(const HeadBackward& head, void* scratch);

}  // namespace luthier::tiles
