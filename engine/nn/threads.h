// SPDX-License-Identifier: GPL-3.0-or-later
// How many threads LibTorch computes with: all cores on an idle machine, fewer while other programs
// keep some of them busy (engine/base/cores.h says why). What is computed does not depend on it:
// every operation of the engine takes its sums in the same order with any number of threads
// (tests/train/test_threads.cpp holds whole runs against each other, byte by byte). MKL splits sums
// by its own number of threads, so that one stays what it is; it does the small products only.
// OMP_NUM_THREADS, where a person has set it, is left as it is.
#pragma once

namespace luthier {

/// LibTorch's threads for what this thread computes; MKL's own stay at one.
void set_threads(int count);

/// At the start of a thread that computes: all cores that this process may use.
void take_all_cores();

/// Between two pieces of work, by the thread that computes: looks at the machine a few times a
/// second and takes more or fewer threads.
void adapt_threads();

}  // namespace luthier
