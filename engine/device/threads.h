// SPDX-License-Identifier: GPL-3.0-or-later
// LibTorch's threads on the CPU. Their number is that of the cores we may use and stays: sums and
// the last bits of exp depend on how work is split, and a resumed run ends in the same bytes. What
// follows the machine is how the threads wait for each other. OpenMP's spin for some milliseconds,
// which is best on idle cores; beside other busy programs the core of a spinning thread is the one
// that the thread it waits for needs, and a run is twenty times slower. So while others want our
// cores, threads go to sleep at once. OMP_NUM_THREADS, OMP_WAIT_POLICY and GOMP_SPINCOUNT, where a
// person has set them, win.
#pragma once

#include <cstdint>
#include <functional>

namespace luthier {

/// At the start of a thread that computes: all cores that this process may use. Where MKL does the
/// small products only, it keeps to this thread: its own threads cost more than they bring there.
void take_all_cores();
/// How many threads a thread that took all cores has: OMP_NUM_THREADS, else the usable cores.
int threads_to_take();

/// Between two pieces of work, by the thread that computes: looks at the machine a few times a
/// second.
void adapt_waiting();

/// Calls work(0) … work(count − 1) side by side, each on one thread alone: whatever would go over
/// several threads stays on it. Gradients are asked for where the caller asks for them. The first
/// exception passes through when all are done.
void on_own_threads(std::int64_t count, const std::function<void(std::int64_t)>& work);

}  // namespace luthier
