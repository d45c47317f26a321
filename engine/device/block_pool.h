// SPDX-License-Identifier: GPL-3.0-or-later
// Large blocks of memory for tensors on the CPU. The C library would either give each back to the
// system when it is freed (and the next step pays for fresh pages again) or keep holes between them
// (a third more memory than the tensors need). Here freed blocks wait for the next request, whole
// where it is of about their size and else cut or lengthened, and what is mapped never exceeds the
// most that was ever in use at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>

namespace luthier {

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
  using Waiting = std::multimap<std::size_t, void*>;
  struct Piece {
    char* start;
    std::size_t size;
  };

  void wait(char* block, std::size_t size);
  Piece fetch(Waiting::iterator place);
  /// Returns waiting memory to the system until no more than `target` is mapped.
  void unmap_until(std::size_t target);
  /// A block of fresh memory, or null.
  void* mapped(std::size_t wanted);
  /// The largest waiting block, which is shorter than `wanted`, made so long; null: there is none.
  void* lengthened(std::size_t wanted);

  std::mutex mutex_;
  std::unordered_map<void*, std::size_t> used_;
  Waiting waiting_;  ///< by size
  std::size_t used_bytes_ = 0, waiting_bytes_ = 0, most_used_ = 0;
};

/// What a tensor of `bytes` takes of the machine's memory, or of a CUDA device's: the allocators
/// round up.
std::int64_t block_bytes(std::int64_t bytes, bool cpu);

}  // namespace luthier
