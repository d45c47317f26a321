// SPDX-License-Identifier: GPL-3.0-or-later
// What a thread itself has computed, whatever other programs do beside it.
#pragma once

#include <ctime>

namespace luthier {

/// Processor seconds of the calling thread.
inline double thread_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace luthier
