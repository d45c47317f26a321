// SPDX-License-Identifier: GPL-3.0-or-later
// Attention in float32 on processors with AVX-512: a head's products, seven for each block of
// scores, by loops of our own. A library's call for a block so small takes longer than its
// arithmetic. The order of all sums depends on the sizes alone.
#pragma once

#include <cstdint>

#include "engine/nn/attention_head.h"

namespace luthier::floats {

/// Whether this processor has such instructions.
bool available();

constexpr std::int64_t kStep = kHeadStep;
constexpr std::int64_t padded(std::int64_t size) { return padded_to_step(size); }
using Rows = HeadRows<float>;
using RowsToWrite = HeadRowsToWrite<float>;
using HeadForward = HeadForwardOf<float>;
using HeadBackward = HeadBackwardOf<float>;

/// Bytes of `scratch` that attend wants; it begins at a multiple of 64.
std::int64_t attend_scratch(std::int64_t length, std::int64_t size);
/// Writes the result and the log of sums.
void attend(const HeadForward& head, void* scratch);

/// Keys and values that lie together.
struct TokenKeys {
  Rows k, v;
  std::int64_t count = 0;
};

/// The newest token's queries that share one head of keys, [queries][size], one behind the other,
/// which see the first keys and then the others; scale > 0.
struct TokenHead {
  const float* queries = nullptr;
  TokenKeys first, others;
  float* result = nullptr;  ///< as the queries
  std::int64_t count = 0, size = 0;
  float scale = 1;
};
std::int64_t attend_token_scratch(std::int64_t keys);
/// Writes the result. `size`: any multiple of 16.
void attend_token(const TokenHead& head, void* scratch);

std::int64_t attend_back_scratch(std::int64_t length, std::int64_t size);
/// Writes dq, dk and dv.
void attend_back(const HeadBackward& head, void* scratch);

}  // namespace luthier::floats
