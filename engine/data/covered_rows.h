// SPDX-License-Identifier: GPL-3.0-or-later
// Rows whose tokens an objective covers anew whenever they are seen.
#pragma once

#include "engine/data/row_kind.h"

namespace luthier {

/// As text_rows() and caption_rows(), but nothing of an encoded row is kept for its next time but
/// what a fixed tower makes of its picture.
const RowKind& covered_text_rows();
const RowKind& covered_caption_rows();

}  // namespace luthier
