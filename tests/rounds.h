// SPDX-License-Identifier: GPL-3.0-or-later
// The daily round of tests takes a part of what a long list of cases holds, the same each day;
// `./luthier test --all` takes all of it.
#pragma once

#include <cstddef>
#include <cstdlib>

namespace luthier::test {

/// Every case of every list is asked for.
inline bool all_cases() { return std::getenv("LUTHIER_ALL_CASES") != nullptr; }

/// Case `number` of a list of which the daily round takes one in `parts`.
inline bool in_this_round(std::size_t number, std::size_t parts) {
  return all_cases() || number % parts == 0;
}

}  // namespace luthier::test
