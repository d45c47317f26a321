// SPDX-License-Identifier: GPL-3.0-or-later
// Threads begin behind one release and end before one acquire: what OpenMP itself promises, said in
// a way that ThreadSanitizer sees, which cannot look into OpenMP.
#include "engine/device/parallel.h"

#include <atomic>

#include <ATen/Parallel.h>

#ifndef _OPENMP
#error "This file is compiled with OpenMP (engine/CMakeLists.txt), or all loops run on one thread."
#endif

namespace luthier {

void for_pieces(std::int64_t begin, std::int64_t end, std::int64_t grain,
                const std::function<void(std::int64_t, std::int64_t)>& work) {
  std::atomic<int> begun{0}, ended{0};
  struct Ending {
    std::atomic<int>& count;
    ~Ending() { count.fetch_add(1, std::memory_order_release); }
  };
  begun.store(1, std::memory_order_release);
  at::parallel_for(begin, end, grain, [&](std::int64_t first, std::int64_t last) {
    (void)begun.load(std::memory_order_acquire);
    const Ending ending{ended};
    work(first, last);
  });
  (void)ended.load(std::memory_order_acquire);
}

std::int64_t threads_for_pieces() { return at::in_parallel_region() ? 1 : at::get_num_threads(); }

}  // namespace luthier
