// SPDX-License-Identifier: GPL-3.0-or-later
// Parts are even to a few hundredths or there are none: all wait for the slowest.
#include "engine/batches/parts.h"

#include <algorithm>
#include <numeric>

namespace luthier {

namespace {

/// Numbers in the states of a whole micro-batch. Above it threads have enough to do within a layer.
constexpr std::int64_t kMostNumbers = 1 << 18;
/// Tokens of a part on average: products of fewer are slow by themselves.
constexpr std::int64_t kLeastTokens = 64;
/// The largest part over the average.
constexpr double kMostUneven = 1.1;

/// So many parts: rows in `order`, the longest first, each to where there is least. Empty where one
/// comes out too large.
std::vector<std::size_t> even_parts(const std::vector<std::int64_t>& tokens,
                                    const std::vector<std::size_t>& order, std::int64_t count,
                                    std::int64_t all) {
  std::vector<std::int64_t> sums(static_cast<std::size_t>(count));
  std::vector<std::size_t> part_of(tokens.size());
  for (const std::size_t row : order) {
    const auto least = std::min_element(sums.begin(), sums.end());
    part_of[row] = static_cast<std::size_t>(least - sums.begin());
    *least += tokens[row];
  }
  const std::int64_t most = *std::max_element(sums.begin(), sums.end());
  if (static_cast<double>(most * count) > kMostUneven * static_cast<double>(all)) return {};
  return part_of;
}

}  // namespace

std::vector<std::size_t> parts_of_rows(const std::vector<std::int64_t>& tokens, std::int64_t width,
                                       int threads) {
  const std::int64_t all = std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0});
  if (all * width > kMostNumbers) return {};
  std::vector<std::size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return tokens[a] > tokens[b]; });
  for (std::int64_t count = std::min(
           {std::int64_t{threads}, all / kLeastTokens, static_cast<std::int64_t>(tokens.size())});
       count > 1; --count) {
    std::vector<std::size_t> part_of = even_parts(tokens, order, count, all);
    if (!part_of.empty()) return part_of;
  }
  return {};
}

std::size_t count_parts(const std::vector<std::size_t>& part_of) {
  return part_of.empty() ? 1 : *std::max_element(part_of.begin(), part_of.end()) + 1;
}

}  // namespace luthier
