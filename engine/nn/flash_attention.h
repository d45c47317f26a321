// SPDX-License-Identifier: GPL-3.0-or-later
// Attention by a device's own kernels that know where rows end (FlashAttention 2, Dao 2023): rows
// of any lengths in one call, grouped queries as they are and a window behind each, with no
// padding, no mask and no copies of keys. ATen has them for CUDA alone, and its autograd knows
// their backward.
#pragma once

#include "engine/nn/attention.h"

namespace luthier {

/// Whether `device` has such kernels for numbers of this type and heads of this size: CUDA in
/// bfloat16 and float16, on cards that have those (sm_80 and later: choose_dtype sees to it).
bool flash_takes(torch::Device device, torch::ScalarType type, std::int64_t head_dim);

/// Who answers flash_takes. A device that tests pretend brings an answer of its own; nullptr: the
/// one above. → who answered before.
using FlashDoor = bool (*)(torch::Device device, torch::ScalarType type, std::int64_t head_dim);
FlashDoor exchange_flash_door(FlashDoor door);

/// Rows of one length: q [rows, queries, heads, head_dim], k and v [rows, keys, kv_heads,
/// head_dim], in any strides but the last axis's → as q. Of the rule all but a softcap counts.
torch::Tensor flash_attention(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, const AttentionRule& rule);
/// Rows one after another: q [tokens, heads, head_dim], k and v [tokens of `memory`, kv_heads,
/// head_dim] → as q. Row i sees row i of `memory`, which may be the same rows.
torch::Tensor flash_attention(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, const RowLayout& rows,
                              const RowLayout& memory, const AttentionRule& rule);

}  // namespace luthier
