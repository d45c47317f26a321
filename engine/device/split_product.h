// SPDX-License-Identifier: GPL-3.0-or-later
// float32 products on processors whose cores multiply tiles of bfloat16, at 1.3 to 1.5 times the
// speed of their float32 units and with a quarter of a library's rounding: each number is, to its
// last bit, a sum of three bfloat16, and of the nine products of such parts the six are made that
// reach 2⁻²⁴ of the whole, the five small ones first (Henry, Tang and Heinecke 2019, Leveraging the
// bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations). Sums are float32;
// the order of each depends on `k` alone, whatever the number of threads. Numbers that are
// infinite, or above the largest bfloat16, become none.
#pragma once

#include <cstdint>

namespace luthier::tiles {

/// A side of a product: place `k` of its line `i` stands at start[i · line + k · place]; one of the
/// two steps is 1.
struct SplitSide {
  const float* start;
  std::int64_t line, place;
};

/// result [m, n] (adds: +=) scale · Σ a[i, k] · b[j, k] + bias[j].
struct SplitProduct {
  SplitSide a, b;
  float* result;
  std::int64_t stride;  ///< from one row of the result to the next
  std::int64_t m, n, k;
  float scale = 1;
  bool adds = false;            ///< to what stands there; then there is no bias
  const float* bias = nullptr;  ///< [n], or none
};

/// Whether a product is large enough for its sides to be worth taking apart.
bool worth_splitting(std::int64_t m, std::int64_t n, std::int64_t k);
/// Call only where available(). Over LibTorch's threads.
void split_product(const SplitProduct& product);

}  // namespace luthier::tiles
