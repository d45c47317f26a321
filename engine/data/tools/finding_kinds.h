// SPDX-License-Identifier: GPL-3.0-or-later
// The names of all kinds of findings, for what asks for some of them.
#pragma once

#include <string>
#include <vector>

namespace luthier {

/// "bad_row", "too_long" and so on: what a check and the search for near-duplicates may find.
const std::vector<std::string>& finding_kinds();

}  // namespace luthier
