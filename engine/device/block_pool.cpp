// SPDX-License-Identifier: GPL-3.0-or-later
// Best fit; a larger block is cut in two, and neighbours that wait become one again. Of what is too
// much under the mark only so much is given back, since each fresh page costs the system a fault.
#include "engine/device/block_pool.h"

#include <sys/mman.h>

#include <algorithm>

namespace luthier {
namespace {

constexpr std::size_t kStep =
    64u << 10;  // sizes are rounded up to it, so that nearly equal tensors share blocks

constexpr std::size_t kHugePage = 2u << 20;
constexpr std::size_t kMappedAtOnce = 32u << 20;
/// Of what was in use at once, one part in so many may lie in holes beside it. Without them each
/// step gives pages back and asks for fresh ones.
constexpr std::size_t kHoles = 32;

char* map_pages(std::size_t bytes) {
  void* const there =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return there == MAP_FAILED ? nullptr : static_cast<char*>(there);
}

/// `bytes`, a multiple of the huge page, from where one begins; null when the system has none.
char* map_huge_pages(std::size_t bytes) {
  char* const there = map_pages(bytes + kHugePage);
  if (!there) return nullptr;
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(there)) % kHugePage;
  if (before > 0) munmap(there, before);
  munmap(there + before + bytes, kHugePage - before);
  (void)madvise(there + before, bytes, MADV_HUGEPAGE);  // a wish
  return there + before;
}

}  // namespace

void* FreshMemory::take(std::size_t bytes) {
  if (bytes > left_) {
    const std::size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    const std::size_t size = std::max(whole, kMappedAtOnce);
    char* const there = map_huge_pages(size);
    if (!there) return map_pages(bytes);
    if (size - bytes <= left_) {
      if (size > bytes) munmap(there + bytes, size - bytes);
      return there;
    }
    if (left_ > 0) munmap(rest_, left_);
    rest_ = there;
    left_ = size;
  }
  char* const piece = rest_;
  rest_ += bytes;
  left_ -= bytes;
  return piece;
}

void BlockPool::wait(char* block, std::size_t size) {
  waiting_bytes_ += size;
  auto behind = waiting_.lower_bound(block);
  if (behind != waiting_.end() && block + size == behind->first) {
    size += behind->second;
    by_size_.erase({behind->second, behind->first});
    behind = waiting_.erase(behind);
  }
  if (behind != waiting_.begin()) {
    const auto before = std::prev(behind);
    if (before->first + before->second == block) {
      by_size_.erase({before->second, before->first});
      before->second += size;
      by_size_.insert({before->second, before->first});
      return;
    }
  }
  waiting_.emplace_hint(behind, block, size);
  by_size_.insert({size, block});
}

BlockPool::Piece BlockPool::fetch(Places::iterator place) {
  const Piece piece{place->first, place->second};
  waiting_bytes_ -= piece.size;
  by_size_.erase({piece.size, piece.start});
  waiting_.erase(place);
  return piece;
}

BlockPool::Piece BlockPool::fetch_largest() {
  return fetch(waiting_.find(by_size_.rbegin()->second));
}

void BlockPool::unmap_until(std::size_t target) {
  while (!waiting_.empty() && used_bytes_ + waiting_bytes_ > target) {
    const std::size_t over = used_bytes_ + waiting_bytes_ - target;
    const Piece piece = fetch_largest();
    const std::size_t kept = piece.size - std::min(piece.size, over);
    munmap(piece.start + kept, piece.size - kept);
    if (kept > 0) wait(piece.start, kept);
  }
}

void* BlockPool::mapped(std::size_t wanted) {
  unmap_until(std::max(most_used_ + most_used_ / kHoles / kStep * kStep, used_bytes_ + wanted) -
              wanted);
  if (void* const block = fresh_.take(wanted)) return block;
  unmap_until(0);
  return fresh_.take(wanted);
}

void* BlockPool::take(std::size_t bytes, std::size_t& size) {
  const std::size_t wanted = (bytes + kStep - 1) / kStep * kStep;
  const std::lock_guard lock(mutex_);
  void* block = nullptr;
  const auto fit = by_size_.lower_bound({wanted, nullptr});
  size = wanted;
  if (fit != by_size_.end()) {
    const Piece piece = fetch(waiting_.find(fit->second));
    block = piece.start;
    if (piece.size > wanted) wait(piece.start + wanted, piece.size - wanted);
  } else {
    block = mapped(wanted);
    if (!block) return nullptr;
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
  wait(static_cast<char*>(block), size);
  return size;
}

void BlockPool::trim() {
  const std::lock_guard lock(mutex_);
  unmap_until(0);
  most_used_ = used_bytes_;
}

std::int64_t block_bytes(std::int64_t bytes, bool cpu) {
  if (bytes <= 0) return 0;
  const bool pooled = bytes >= static_cast<std::int64_t>(BlockPool::kSmallest);
  const std::int64_t unit = !cpu ? 512 : pooled ? static_cast<std::int64_t>(kStep) : 64;
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace luthier
