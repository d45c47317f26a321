// SPDX-License-Identifier: GPL-3.0-or-later
// For files with loops in AVX-512's own instructions: LUTHIER_HAS_AVX512 where a compiler makes
// them; whoever calls such a loop has asked the processor.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define LUTHIER_HAS_AVX512
#include <immintrin.h>
// g++ 12 takes what its own header leaves undefined on purpose for a mistake.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define LUTHIER_AVX512 __attribute__((target("avx512f,fma")))
#endif
