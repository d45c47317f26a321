// SPDX-License-Identifier: GPL-3.0-or-later
// Large blocks of memory for tensors on the CPU. The C library would either give each back to the
// system when it is freed (and the next step pays for fresh pages again) or keep holes between them
// (a third more memory than the tensors need). Here freed blocks wait for the next request and are
// cut for it, and what is mapped exceeds the most that was ever in use at once by a thirty-second
// part at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

namespace luthier {

/// Memory that was never used, cut one piece after another from mappings that begin on a huge page
/// and ask for such (madvise): a tensor that is read from end to end then misses the TLB once in
/// 2 MiB and not once in 4 KiB, and one fault brings 512 pages.
class FreshMemory {
 public:
  /// A page-aligned piece of `bytes`, a multiple of the page; null when the system has none. What
  /// is cut off is the caller's to unmap.
  void* take(std::size_t bytes);

 private:
  char* rest_ = nullptr;
  std::size_t left_ = 0;
};

class BlockPool {
 public:
  /// Smaller requests are the C library's.
  static constexpr std::size_t kSmallest = 256u << 10;

  /// A page-aligned block of at least `bytes`, or null when the system has none; `size` is what it
  /// really has.
  void* take(std::size_t bytes, std::size_t& size);
  /// The block's size if it is one of ours (it then waits for reuse), else 0.
  std::size_t give(void* block);
  /// Returns all waiting blocks to the system.
  void trim();

 private:
  using Places = std::map<char*, std::size_t>;
  struct Piece {
    char* start;
    std::size_t size;
  };

  /// What lies beside another that waits becomes one with it.
  void wait(char* block, std::size_t size);
  Piece fetch(Places::iterator place);
  Piece fetch_largest();
  /// Returns waiting memory to the system until no more than `target` is mapped.
  void unmap_until(std::size_t target);
  /// A block of fresh memory, or null.
  void* mapped(std::size_t wanted);

  std::mutex mutex_;
  FreshMemory fresh_;
  std::unordered_map<void*, std::size_t> used_;
  Places waiting_;                                   ///< where each begins, and how long it is
  std::set<std::pair<std::size_t, char*>> by_size_;  ///< the same
  std::size_t used_bytes_ = 0, waiting_bytes_ = 0, most_used_ = 0;
};

/// What a tensor of `bytes` takes of the machine's memory, or of a CUDA device's: the allocators
/// round up.
std::int64_t block_bytes(std::int64_t bytes, bool cpu);

}  // namespace luthier
