// SPDX-License-Identifier: GPL-3.0-or-later
// Looking for a text in a row's JSON without parsing it: of a million rows most do not hold what is
// looked for, and their bytes say so a hundred times faster. Internal to the data room.
#pragma once

#include <string_view>

namespace luthier::detail {

/// Whether some text of the row may hold `wanted`, letters of ASCII being small there. False is
/// certain; true is to be looked at.
bool may_hold(std::string_view json, std::string_view wanted);

}  // namespace luthier::detail
