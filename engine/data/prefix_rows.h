// SPDX-License-Identifier: GPL-3.0-or-later
// Rows for the objective of prefix language models.
#pragma once

#include "engine/data/row_kind.h"

namespace luthier {

/// "prefix": a text, with its picture or without one, of which a part that is drawn by
/// RowEncoding::noise is prefix (Example::prompt_tokens), and the rest is learned.
const RowKind& prefix_rows();

}  // namespace luthier
