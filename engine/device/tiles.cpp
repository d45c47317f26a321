// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/tiles.h"

#include "engine/device/tile_registers.h"

#ifdef LUTHIER_HAS_TILES
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace luthier::tiles {

#ifdef LUTHIER_HAS_TILES

namespace {

/// Linux gives a process its tiles when it asks (arch_prctl, ARCH_REQ_XCOMP_PERM, tile data).
bool permitted() {
  constexpr long kAskForState = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}

bool supported() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1u << 22, kTiles = 1u << 24;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kBf16) == 0 || (d & kTiles) == 0)
    return false;
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bf16");
}

}  // namespace

bool available() {
  static const bool found = supported() && permitted();
  return found;
}

#else

bool available() { return false; }

#endif

}  // namespace luthier::tiles
