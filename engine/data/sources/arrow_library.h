// SPDX-License-Identifier: GPL-3.0-or-later
// The module that reads Parquet and Arrow files (engine/arrow), loaded when the first of them is
// opened: Apache Arrow's libraries are 60 MB, which a start, a carried folder and a package need
// not bear. It lies beside the program. Internal to the data room.
#pragma once

#include "engine/arrow/arrow_rows.h"
#include "engine/base/result.h"

namespace luthier::detail {

/// Loaded once for the whole process. Without it: a Machine error that says what to do.
Result<const LuthierArrowEntries*> arrow_library();

}  // namespace luthier::detail
