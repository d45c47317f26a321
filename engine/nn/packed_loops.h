// SPDX-License-Identifier: GPL-3.0-or-later
// Codes of few bits become numbers. Four bits: sixteen values, less what stands for zero in a
// block, times the block's scale; on processors with AVX-512 sixteen codes are looked up in a
// register at a time, elsewhere a block's codes in a table one by one, and both give the same bits.
// Eight bits: whole numbers times their row's scale.
#pragma once

#include <cstdint>

#include "engine/device/torch.h"

namespace luthier::packed {

/// Number i is a half of byte i / 2, the high one where i is even.
struct Codes {
  const std::uint8_t* bytes;
  const float* values;     ///< [16]
  const float* scales;     ///< of the blocks from the one on that the first number is of
  const float* zeros;      ///< the same; null: zeros
  std::int64_t block = 0;  ///< numbers that share a scale
};

/// Whether this processor has such instructions.
bool available();

/// out[i - first] = (value - zero) * scale of the numbers first <= i < last, rounded to T once.
/// T is float, at::BFloat16 or at::Half.
template <class T>
void expand(const Codes& codes, std::int64_t first, std::int64_t last, T* out);

/// The same without such instructions, for a test to compare.
template <class T>
void expand_plainly(const Codes& codes, std::int64_t first, std::int64_t last, T* out);

/// out[i] = codes[i] * scale * factor, in this order, rounded to T once.
template <class T>
void expand_bytes(const std::int8_t* codes, float scale, float factor, std::int64_t count, T* out);

}  // namespace luthier::packed
