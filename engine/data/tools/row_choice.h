// SPDX-License-Identifier: GPL-3.0-or-later
// Which rows of a dataset are taken: so many at random, a share for validation, the same share of
// every value of a column. Every draw goes by the seed and the row's place, so that it is the same
// on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace luthier {

using RowList = std::vector<std::size_t>;

/// So many of the rows, in their order; all where there are no more.
RowList sampled_rows(const RowList& rows, std::size_t count, std::uint64_t seed);

struct RowSplit {
  RowList train, validation;
};

/// `share` of the rows for validation, at least one of several and never all. `strata`: of each row
/// its value; where given, each value has its share, and what rounding leaves goes to the values
/// that lack most.
RowSplit split_rows(const RowList& rows, double share, std::uint64_t seed,
                    const std::vector<std::string>& strata = {});

}  // namespace luthier
