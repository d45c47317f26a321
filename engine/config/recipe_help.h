// SPDX-License-Identifier: GPL-3.0-or-later
// The recipe's fields as text for a terminal, made from the same table as everything else.
#pragma once

#include <cstddef>
#include <string>

namespace luthier {

/// Every field with its default, choices or range, unit and help, in lines of at most `width`
/// columns: what `train --help` shows.
std::string recipe_help(std::size_t width = 100);

}  // namespace luthier
