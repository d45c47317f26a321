// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that are a picture and nothing else, for objectives that learn from pictures themselves.
#pragma once

#include "engine/data/row_kind.h"

namespace luthier {

/// "pictures": {"image": …}; what else stands in a row is not read.
const RowKind& picture_rows();
/// "views": the same rows, whose picture goes through the model twice: two sequences a row.
const RowKind& view_rows();

}  // namespace luthier
