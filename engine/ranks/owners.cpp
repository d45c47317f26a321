// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/ranks/owners.h"

#include <algorithm>
#include <numeric>

namespace luthier {

std::vector<int> tensor_owners(const std::vector<std::int64_t>& numbers, int ranks) {
  std::vector<std::size_t> order(numbers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return numbers[a] > numbers[b]; });
  std::vector<std::int64_t> load(static_cast<std::size_t>(ranks));
  std::vector<int> owners(numbers.size());
  for (const std::size_t tensor : order) {
    const auto least = std::min_element(load.begin(), load.end());
    owners[tensor] = static_cast<int>(least - load.begin());
    *least += numbers[tensor];
  }
  return owners;
}

std::int64_t most_owned(const std::vector<std::int64_t>& numbers, int ranks) {
  std::vector<std::int64_t> owned(static_cast<std::size_t>(ranks));
  const std::vector<int> owners = tensor_owners(numbers, ranks);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    owned[static_cast<std::size_t>(owners[i])] += numbers[i];
  return *std::max_element(owned.begin(), owned.end());
}

}  // namespace luthier
