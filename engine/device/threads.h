// SPDX-License-Identifier: GPL-3.0-or-later
// LibTorch's threads on the CPU. Their number is that of the cores we may use and stays: sums and
// the last bits of exp depend on how work is split, and a resumed run ends in the same bytes. What
// follows the machine is how the threads wait for each other. OpenMP's spin for some milliseconds,
// which is best on idle cores; beside other busy programs the core of a spinning thread is the one
// that the thread it waits for needs, and a run is twenty times slower. So while others want our
// cores, threads go to sleep at once. OMP_NUM_THREADS, OMP_WAIT_POLICY and GOMP_SPINCOUNT, where a
// person has set them, win.
#pragma once

namespace luthier {

/// At the start of a thread that computes: all cores that this process may use. Where MKL does the
/// small products only, it keeps to this thread: its own threads cost more than they bring there.
void take_all_cores();

/// Between two pieces of work, by the thread that computes: looks at the machine a few times a
/// second.
void adapt_waiting();

}  // namespace luthier
