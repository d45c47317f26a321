// SPDX-License-Identifier: GPL-3.0-or-later
// Memory as it is, by the same words on both devices: what tensors hold now and held at most. On
// the CPU, LibTorch counts nothing, so its allocator is replaced by one that counts (two relaxed
// atomics an allocation); on CUDA the caching allocator's own figures are read.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "engine/device/torch.h"

namespace luthier {

/// Sets the counting allocator, and loads LibTorch's CUDA half where there is a device (once; later
/// calls do nothing). Call at program start, before the first tensor. The environment's
/// LUTHIER_MEMORY_CAP (bytes) makes allocations beyond it fail as a full machine would.
void install_counting_allocator();
/// The same cap, set at run time; 0 takes it away. For tests.
void set_memory_cap(std::int64_t bytes);
/// The `count`-th allocation from now on fails once, as on a full machine; 0: none. For tests.
void fail_allocation(std::int64_t count);

struct MemoryUse {
  std::int64_t allocated = 0;  ///< bytes in live tensors
  std::int64_t reserved =
      0;  ///< with what the allocator keeps back (CUDA); on the CPU the same as allocated
  std::int64_t peak = 0;  ///< most allocated since reset_memory_peak
  std::int64_t rss = 0;   ///< resident memory of this process
};
MemoryUse memory_use(torch::Device device);
void reset_memory_peak(torch::Device device);

/// Free bytes: MemAvailable of the machine (or of its control group, where that is less), or of the
/// CUDA device.
std::int64_t available_memory(torch::Device device);
/// Hands cached blocks back to the device, after an out-of-memory failure.
void release_cached_memory(torch::Device device);

/// True when the exception being handled says that memory ran out (LibTorch's own, bad_alloc, CUDA
/// libraries' workspaces).
bool is_out_of_memory(const std::exception& failure);

}  // namespace luthier
