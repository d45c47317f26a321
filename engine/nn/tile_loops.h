// SPDX-License-Identifier: GPL-3.0-or-later
// bfloat16 products of small blocks on processors whose cores multiply tiles (device/tiles). They
// are for work where a call of a library costs more than its product: attention makes seven for
// each block of scores, forward and backward. What is multiplied is bfloat16 by its bits, sums are
// float32, and their order depends on the sizes alone.
#pragma once

#include <cstdint>

#include "engine/device/tiles.h"
#include "engine/nn/attention_head.h"

namespace luthier::tiles {

using Bits = std::uint16_t;  ///< of a bfloat16

constexpr std::int64_t kStep = kHeadStep;
constexpr std::int64_t padded(std::int64_t size) { return padded_to_step(size); }
using Rows = HeadRows<Bits>;
using RowsToWrite = HeadRowsToWrite<Bits>;
using HeadForward = HeadForwardOf<Bits>;
using HeadBackward = HeadBackwardOf<Bits>;

/// Bytes of `scratch` that attend wants; it begins at a multiple of 64.
std::int64_t attend_scratch(std::int64_t length, std::int64_t size);
/// Writes the result and the log of sums. Powers are rounded to bfloat16 before they are multiplied
/// with the values; their sums are not.
void attend(const HeadForward& head, void* scratch);

/// Bytes of `scratch` that attend_back wants; it begins at a multiple of 64.
std::int64_t attend_back_scratch(std::int64_t length, std::int64_t size);
/// Writes dq, dk and dv. Shares and their gradients are rounded to bfloat16 before they are
/// multiplied; all sums are float32 and rounded once.
void attend_back(const HeadBackward& head, void* scratch);

}  // namespace luthier::tiles
