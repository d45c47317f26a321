// SPDX-License-Identifier: GPL-3.0-or-later
// What a run takes of a card besides its tensors, and what is there for it: pure functions over
// what is known of the card (device/card_facts.h), so that a table of cards can be asked about. No
// LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/device/card_facts.h"

namespace luthier {

/// The CUDA context with the kernels that are loaded into it. Measured where this process has one:
/// what is neither free nor its allocator's. Others' memory is in that too, so no more is believed
/// than kMostContext. Else kLikelyContext: with kernels loaded when they are first used, LibTorch's
/// own measurement is 274 MiB (pytorch/pytorch#86509), one of 2.10 with CUDA 13 on an RTX 6000 Ada
/// before any kernel ran 426 MiB (unslothai/unsloth-zoo#1053).
std::int64_t context_bytes(const CardFacts& card);
inline constexpr std::int64_t kLeastContext = std::int64_t{128} << 20,
                              kLikelyContext = std::int64_t{512} << 20,
                              kMostContext = std::int64_t{1} << 30;

/// cuBLAS's workspaces. LibTorch 2.11 gives one to each handle on its stream, of the size that
/// CUBLAS_WORKSPACE_CONFIG (`config`) comes to, KiB times count, or 32 MiB on Hopper and newer and
/// 8.125 MiB before (aten/src/ATen/cuda/CublasHandlePool.cpp); beside it one of 1 MiB for cuBLASLt.
/// A thread has a handle of its own: the forward's and autograd's, which runs the backward.
std::int64_t product_workspaces(const CardFacts& card, const std::string& config);

/// What this process can have of the card in all: what is free, what its allocator has taken, what
/// its context takes. -1: the driver does not say what is free.
std::int64_t available_on(const CardFacts& card);

/// Bytes of the segments that LibTorch's caching allocator takes from the card for these blocks,
/// one after another, none freed in between (c10/cuda/CUDACachingAllocator.cpp): up to 1 MiB from
/// segments of 2 MiB, up to 10 MiB from those of 20 MiB, larger ones each in whole 2 MiB; the
/// smallest rest that will do is taken first.
std::int64_t segment_bytes(const std::vector<std::int64_t>& blocks);
/// What of these segments no block can use: fragmentation.
std::int64_t unused_bytes(const std::vector<std::int64_t>& blocks);

}  // namespace luthier
