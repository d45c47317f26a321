// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a text and the regions that a detector found in its picture, for models that read both
// (VisualBERT, LXMERT).
#pragma once

#include "engine/data/row_kind.h"
#include "engine/vision/region_processor.h"

namespace luthier {

/// "regions": {"text", "text_pair", "regions": a file of data/region_file.h, "match", "answer"}.
/// Of what may stand behind the first two each is optional. Numbers of an encoded row: kMatch where
/// the row says whether its text belongs to its regions, kAnswer where it names the one answer,
/// kFirstWords of two texts. Under a head of answers its targets are the answer's number, or a
/// score for each answer.
const RowKind& region_rows();

inline constexpr const char *kMatch = "match", *kAnswer = "answer", *kFirstWords = "first_words";

/// Whether a row as written, or as read, is of this kind.
bool holds_regions(const Json& row);
bool holds_regions(const Conversation& row);

/// What the model asks of regions; null: it reads none.
const RegionNeeds* region_needs(const ChatProcessor& processor);

}  // namespace luthier
