// SPDX-License-Identifier: GPL-3.0-or-later
// Rows beside their pictures: where each begins, and what of a picture's states it looks across to.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/models/model.h"

namespace luthier {

/// Where each row's first token stands: [rows] int64.
inline torch::Tensor row_starts(const std::vector<std::int64_t>& lengths) {
  std::vector<std::int64_t> starts;
  std::int64_t start = 0;
  for (const std::int64_t length : lengths) {
    starts.push_back(start);
    start += length;
  }
  return torch::tensor(starts, torch::kInt64);
}

/// What each of `rows` looks across to: its one picture's `states`; a row of filler to one.
inline std::vector<std::int64_t> memory_lengths(std::int64_t states, std::size_t pictures,
                                                std::size_t rows) {
  std::vector<std::int64_t> lengths(rows, 1);
  std::fill_n(lengths.begin(), std::min(rows, pictures), states);
  return lengths;
}

/// The pictures' states, [pictures · states, width], laid out by rows; filler's are zeros.
inline RowStates memory_of(torch::Tensor all, const std::vector<std::int64_t>& lengths) {
  RowLayout layout(lengths);
  if (const std::int64_t filler = layout.tokens() - all.size(0); filler > 0)
    all = at::cat({all, all.new_zeros({filler, all.size(1)})});
  TORCH_CHECK(all.size(0) == layout.tokens(), "each row has one picture");
  return {std::move(all), std::move(layout)};
}

}  // namespace luthier
