// SPDX-License-Identifier: GPL-3.0-or-later
// By CPUID, and of tiles by what the system saves of a program's registers (XCR0).
#include "engine/device/processor.h"

#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace luthier {
namespace {

#if defined(__x86_64__)
/// Both parts of the tiles' state are saved, so that programs may ask for them. Only where the
/// system saves vectors of 512 bits, and so has the instruction.
bool system_saves_tiles() {
  constexpr unsigned kConfiguration = 1u << 17, kData = 1u << 18;
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kConfiguration) != 0 && (low & kData) != 0;
}
#endif

NarrowProducts of_this_processor() {
#if defined(__x86_64__)
  // Leaf 7: of its first part EDX, bits 22 and 24 (AMX-BF16, AMX-TILE), of its second EAX, bit 5
  // (AVX512-BF16).
  constexpr unsigned kTileProducts = 1u << 22, kTiles = 1u << 24, kVectorProducts = 1u << 5;
  if (!__builtin_cpu_supports("avx512bw")) return NarrowProducts::None;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return NarrowProducts::None;
  if ((d & kTileProducts) != 0 && (d & kTiles) != 0 && system_saves_tiles())
    return NarrowProducts::Tiles;
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & kVectorProducts) != 0)
    return NarrowProducts::Vectors;
  return NarrowProducts::None;
#else
  return NarrowProducts::Unknown;
#endif
}

std::atomic<int> given_products{-1};

}  // namespace

NarrowProducts narrow_products() {
  static const NarrowProducts own = of_this_processor();
  const int instead = given_products.load(std::memory_order_relaxed);
  return instead < 0 ? own : static_cast<NarrowProducts>(instead);
}

void set_narrow_products(std::optional<NarrowProducts> products) {
  given_products = products ? static_cast<int>(*products) : -1;
}

}  // namespace luthier
