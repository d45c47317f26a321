// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/base/open_files.h"

#include <sys/resource.h>

#include <algorithm>

namespace luthier {

void allow_many_open_files() {
  // What Linux gives at most, unless told otherwise; more is often no limit at all, and programs
  // that we start may close every number up to it.
  constexpr rlim_t kMost = 1u << 20;
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min(limit.rlim_max, kMost);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace luthier
