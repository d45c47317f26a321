// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/row_choice.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/base/random_stream.h"

namespace luthier {

namespace {

constexpr std::uint64_t kChoiceStream = 0x7370'6c69'7421ull;

/// Rows in an order that the seed draws.
RowList shuffled(const RowList& rows, std::uint64_t seed) {
  std::vector<std::pair<std::uint64_t, std::size_t>> drawn;
  drawn.reserve(rows.size());
  for (const std::size_t row : rows)
    drawn.emplace_back(RandomStream(seed, kChoiceStream, row).next(), row);
  std::sort(drawn.begin(), drawn.end());
  RowList order;
  order.reserve(rows.size());
  for (const auto& [bits, row] : drawn) order.push_back(row);
  return order;
}

}  // namespace

RowList sampled_rows(const RowList& rows, std::size_t count, std::uint64_t seed) {
  if (count >= rows.size()) return rows;
  RowList taken = shuffled(rows, seed);
  taken.resize(count);
  std::sort(taken.begin(), taken.end());
  return taken;
}

RowSplit split_rows(const RowList& rows, double share, std::uint64_t seed,
                    const std::vector<std::string>& strata) {
  std::map<std::string, RowList> groups;
  for (std::size_t i = 0; i < rows.size(); ++i)
    groups[i < strata.size() ? strata[i] : std::string()].push_back(rows[i]);
  const auto whole = static_cast<double>(rows.size());
  std::size_t wanted = static_cast<std::size_t>(std::llround(share * whole));
  if (rows.size() > 1) wanted = std::clamp<std::size_t>(wanted, 1, rows.size() - 1);
  struct Part {
    RowList order;
    std::size_t taken;
    double lacks;
  };
  std::vector<Part> parts;
  std::size_t taken = 0;
  for (const auto& [value, members] : groups) {
    const double exact = static_cast<double>(wanted) * static_cast<double>(members.size()) / whole;
    const auto floor = static_cast<std::size_t>(exact);
    parts.push_back({shuffled(members, seed), floor, exact - static_cast<double>(floor)});
    taken += floor;
  }
  std::vector<std::size_t> most(parts.size());
  for (std::size_t i = 0; i < most.size(); ++i) most[i] = i;
  std::stable_sort(most.begin(), most.end(),
                   [&](std::size_t a, std::size_t b) { return parts[a].lacks > parts[b].lacks; });
  for (std::size_t i = 0; i < most.size() && taken < wanted; ++i) {
    Part& part = parts[most[i]];
    if (part.taken >= part.order.size()) continue;
    ++part.taken;
    ++taken;
  }
  RowSplit split;
  for (const Part& part : parts) {
    const auto edge = part.order.begin() + static_cast<std::ptrdiff_t>(part.taken);
    split.validation.insert(split.validation.end(), part.order.begin(), edge);
    split.train.insert(split.train.end(), edge, part.order.end());
  }
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
}

}  // namespace luthier
