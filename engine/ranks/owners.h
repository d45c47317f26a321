// SPDX-License-Identifier: GPL-3.0-or-later
// How ranks share what is kept of trained tensors. No LibTorch.
#pragma once

#include <cstdint>
#include <vector>

namespace luthier {

/// Whose each tensor of so many numbers is: the largest first, to whom has least.
std::vector<int> tensor_owners(const std::vector<std::int64_t>& numbers, int ranks);
/// Numbers that the rank with the most of them owns.
std::int64_t most_owned(const std::vector<std::int64_t>& numbers, int ranks);

/// Numbers of one owner that are on their way to another rank at once.
inline constexpr std::int64_t kExchangeBucket = 4 << 20;

}  // namespace luthier
