// SPDX-License-Identifier: GPL-3.0-or-later
// Rows for objectives that learn, beside what was covered, which text follows another.
#pragma once

#include "engine/data/row_kind.h"

namespace luthier {

/// "sentence_pairs": a document ({"text": …} or {"sentences": […]}), of which two neighbouring
/// stretches of sentences are drawn by RowEncoding::noise, or two texts that are given with their
/// label ({"text": …, "text_pair": …, "label": 0}).
const RowKind& sentence_pair_rows();

/// Of an encoded row, in EncodedRow::numbers: of a drawn pair the first text's tokens, and how many
/// both may have (0: no limit). A given pair has neither, and its label in EncodedRow::targets.
inline constexpr const char *kFirstText = "first_text", *kPairRoom = "pair_room";

}  // namespace luthier
