// SPDX-License-Identifier: GPL-3.0-or-later
// Best fit within an eighth of the size. A miss keeps what pages it can, since each fresh one costs
// the system a fault: a larger block is cut in two, else the largest one is made longer, and of
// what is too much under the mark only so much is given back.
#include "engine/device/block_pool.h"

#include <sys/mman.h>

#include <algorithm>

namespace luthier {
namespace {

constexpr std::size_t kStep =
    64u << 10;  // sizes are rounded up to it, so that nearly equal tensors share blocks

}  // namespace

void BlockPool::wait(char* block, std::size_t size) {
  waiting_.emplace(size, block);
  waiting_bytes_ += size;
}

BlockPool::Piece BlockPool::fetch(Waiting::iterator place) {
  const Piece piece{static_cast<char*>(place->second), place->first};
  waiting_bytes_ -= piece.size;
  waiting_.erase(place);
  return piece;
}

void BlockPool::unmap_until(std::size_t target) {
  while (!waiting_.empty() && used_bytes_ + waiting_bytes_ > target) {
    const std::size_t over = used_bytes_ + waiting_bytes_ - target;
    const Piece piece = fetch(std::prev(waiting_.end()));
    const std::size_t kept = piece.size - std::min(piece.size, over);
    munmap(piece.start + kept, piece.size - kept);
    if (kept > 0) wait(piece.start, kept);
  }
}

void* BlockPool::mapped(std::size_t wanted) {
  unmap_until(std::max(most_used_, used_bytes_ + wanted) - wanted);
  void* block = nullptr;
  for (int attempt = 0; attempt < 2; ++attempt) {
    block = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block != MAP_FAILED) return block;
    unmap_until(0);
  }
  return nullptr;
}

void* BlockPool::lengthened(std::size_t wanted) {
  if (waiting_.empty()) return nullptr;
  const Piece piece = fetch(std::prev(waiting_.end()));
  unmap_until(std::max(most_used_, used_bytes_ + wanted) - wanted);
  void* const block = mremap(piece.start, piece.size, wanted, MREMAP_MAYMOVE);
  if (block != MAP_FAILED) return block;
  munmap(piece.start, piece.size);
  return nullptr;
}

void* BlockPool::take(std::size_t bytes, std::size_t& size) {
  const std::size_t wanted = (bytes + kStep - 1) / kStep * kStep;
  const std::lock_guard lock(mutex_);
  void* block = nullptr;
  const auto fit = waiting_.lower_bound(wanted);
  size = wanted;
  if (fit != waiting_.end()) {
    const Piece piece = fetch(fit);
    block = piece.start;
    if (piece.size <= wanted + wanted / 8)
      size = piece.size;
    else
      wait(piece.start + wanted, piece.size - wanted);
  } else {
    block = lengthened(wanted);
    if (!block) block = mapped(wanted);
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
