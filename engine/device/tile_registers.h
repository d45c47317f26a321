// SPDX-License-Identifier: GPL-3.0-or-later
// What loops over tiles set up before they run. For files that LUTHIER_HAS_TILES lets in; whoever
// calls them has asked tiles::available().
#pragma once

#include <cstdint>

#include "engine/device/tiles.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define LUTHIER_HAS_TILES
#include <immintrin.h>
// g++ 12 takes what its own header leaves undefined on purpose for a mistake.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define LUTHIER_TILED \
  __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))

namespace luthier::tiles {

/// What was written is in memory before the next tile is loaded: g++ does not know that loads of
/// tiles read it.
inline void written(const void* start) { __asm__ volatile("" : : "r"(start) : "memory"); }

struct TileSizes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {};
  std::uint8_t rows[16] = {};
};

/// Eight tiles of 16 rows of 64 bytes, for as long as it lives.
class Tiles {
 public:
  LUTHIER_TILED Tiles() {
    TileSizes sizes;
    for (int i = 0; i < 8; ++i) sizes.bytes[i] = 64, sizes.rows[i] = 16;
    written(&sizes);
    _tile_loadconfig(&sizes);
  }
  LUTHIER_TILED ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

}  // namespace luthier::tiles
#endif
