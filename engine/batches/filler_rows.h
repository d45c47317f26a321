// SPDX-License-Identifier: GPL-3.0-or-later
// Filler as rows: none is longer than the longest of the rows that it stands beside, for which the
// model has positions. Training lays them and the forecast counts them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace luthier {

/// How many rows `missing` tokens of filler are, beside rows of these lengths. Rows of one token
/// are no texts, and need none.
inline std::int64_t filler_rows(std::int64_t missing, const std::vector<std::int64_t>& lengths) {
  if (missing == 0 || lengths.empty()) return 1;
  const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  return longest < 2 ? 1 : (missing + longest - 1) / longest;
}

/// The lengths of so many rows of nearly one length, `tokens` together.
inline std::vector<std::int64_t> filler_lengths(std::int64_t tokens, std::int64_t rows) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < rows; ++i)
    lengths.push_back(tokens * (i + 1) / rows - tokens * i / rows);
  return lengths;
}

}  // namespace luthier
