// SPDX-License-Identifier: GPL-3.0-or-later
// The rules that a ModelProto must keep so that sentencepiece's unchecked reads stay inside its
// arrays.
#pragma once

#include <string>

#include "engine/text/sentencepiece_model.h"

namespace luthier {

inline constexpr std::size_t kMaxSentencePieces = 1 << 20;

/// Pieces unique, not empty, UTF-8, of sane length and score; exactly one unknown; all bytes there
/// if any is needed.
Status check_pieces(const SentencePieceModel& model, const std::string& where);
/// The double array is a tree inside its bounds, its values stand inside the strings. An empty map
/// is fine.
Status check_charsmap(const std::string& charsmap, const std::string& where);

}  // namespace luthier
