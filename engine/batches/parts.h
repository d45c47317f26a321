// SPDX-License-Identifier: GPL-3.0-or-later
// Small layers cost a CPU's threads more in waiting for one another than in work. A micro-batch of
// such a model goes through it in parts, each on a thread of its own from the first layer to the
// last gradient; training divides by this, and the forecast counts by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace luthier {

/// The part of each row, from 0; empty: the rows stay together. `tokens`: of each row; `width`:
/// numbers of a token's state; `threads`: that a run has. It goes by these alone, so that a resume
/// divides as the run did.
std::vector<std::size_t> parts_of_rows(const std::vector<std::int64_t>& tokens, std::int64_t width,
                                       int threads);

/// How many there are: 1 where the rows stay together.
std::size_t count_parts(const std::vector<std::size_t>& part_of);

}  // namespace luthier
