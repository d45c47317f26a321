// SPDX-License-Identifier: GPL-3.0-or-later
// Best fit within an eighth of the size; a miss first unmaps waiting blocks (the largest ones)
// until the new one fits under the mark.
#include "engine/device/block_pool.h"

#include <sys/mman.h>

#include <algorithm>

namespace luthier {
namespace {

constexpr std::size_t kStep =
    64u << 10;  // sizes are rounded up to it, so that nearly equal tensors share blocks

}  // namespace

void BlockPool::unmap_until(std::size_t target) {
  while (!waiting_.empty() && used_bytes_ + waiting_bytes_ > target) {
    const auto largest = std::prev(waiting_.end());
    munmap(largest->second, largest->first);
    waiting_bytes_ -= largest->first;
    waiting_.erase(largest);
  }
}

void* BlockPool::take(std::size_t bytes, std::size_t& size) {
  const std::size_t wanted = (bytes + kStep - 1) / kStep * kStep;
  const std::lock_guard lock(mutex_);
  void* block = nullptr;
  const auto fit = waiting_.lower_bound(wanted);
  if (fit != waiting_.end() && fit->first <= wanted + wanted / 8) {
    block = fit->second;
    size = fit->first;
    waiting_bytes_ -= size;
    waiting_.erase(fit);
  } else {
    const std::size_t mark = std::max(most_used_, used_bytes_ + wanted);
    unmap_until(mark - wanted);
    block = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED && !waiting_.empty()) {
      unmap_until(0);
      block = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (block == MAP_FAILED) return nullptr;
    size = wanted;
  }
  used_.emplace(block, size);
  used_bytes_ += size;
  most_used_ = std::max(most_used_, used_bytes_);
  return block;
}

std::size_t BlockPool::give(void* block) {
  const std::lock_guard lock(mutex_);
  const auto found = used_.find(block);
  if (found == used_.end()) return 0;
  const std::size_t size = found->second;
  used_.erase(found);
  used_bytes_ -= size;
  waiting_.emplace(size, block);
  waiting_bytes_ += size;
  return size;
}

void BlockPool::trim() {
  const std::lock_guard lock(mutex_);
  unmap_until(0);
  most_used_ = used_bytes_;
}

std::int64_t block_bytes(std::int64_t bytes, bool cpu) {
  if (bytes <= 0) return 0;
  const bool pooled = bytes >= static_cast<std::int64_t>(BlockPool::smallest);
  const std::int64_t unit = !cpu ? 512 : pooled ? static_cast<std::int64_t>(step) : 64;
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace luthier
