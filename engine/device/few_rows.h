// SPDX-License-Identifier: GPL-3.0-or-later
// Products of few rows with a weight that lies row after row, as decoding makes one of each weight
// for each token: the weight is read once, as it lies. A library made for large products copies it
// into panels first, which takes several times as long as the sums. Each sum's order depends on the
// length of a row alone, whatever the number of rows and of threads: a row comes out with the same
// bits beside any others.
#pragma once

#include <cstdint>

namespace luthier::few_rows {

/// result [rows, out], of which row i begins at result + i · result_stride, becomes (adds: +=)
/// scale · x · weightᵀ + bias.
struct Product {
  const float* x;       ///< [rows, in]; numbers of a row stand side by side
  const float* weight;  ///< [out, in]; the same
  const float* bias;    ///< [out], or null
  float* result;
  std::int64_t x_stride, weight_stride, result_stride;
  std::int64_t rows, in, out;
  float scale = 1;
  bool adds = false;
};

/// Whether this processor has the instructions.
bool available();
/// Call only where available(). Over LibTorch's threads.
void product(const Product& product);

}  // namespace luthier::few_rows
