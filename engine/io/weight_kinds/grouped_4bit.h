// SPDX-License-Identifier: GPL-3.0-or-later
// What GPTQ and AWQ have in common without their tensors: four bits a number, and for each row and
// group of its columns a scale and the code that stands for zero. They differ in how the codes lie
// in a file.
#pragma once

#include "engine/io/weight_kinds.h"

namespace luthier::grouped_4bit {

/// Columns that share a scale, of a row of `cols`.
std::int64_t group_size(const Json& settings, std::int64_t cols);
std::int64_t groups(const Json& settings, std::int64_t cols);
/// Four bits, a size of groups that is one, and an arrangement (the first of `keys` that is there)
/// out of `known`.
Status check(const Json& settings, const std::string& where, const std::vector<const char*>& keys,
             const std::vector<const char*>& known);
/// Codes, scales of 16 bits, zeros of 8. What else a kind keeps is its own.
std::int64_t bytes(std::int64_t rows, std::int64_t cols, const Json& settings);

}  // namespace luthier::grouped_4bit
