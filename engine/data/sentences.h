// SPDX-License-Identifier: GPL-3.0-or-later
// A text's sentences, for objectives that learn which text follows another.
#pragma once

#include <string>
#include <vector>

namespace luthier {

/// A line's end ends a sentence, and so does white space behind `.`, `!`, `?`, `…`, `。`, `！` or
/// `？` and what closes behind them (quotation marks and brackets). White space around a sentence
/// is left out, and so is an empty one. Abbreviations are not known: who knows better gives a list.
std::vector<std::string> sentences_of(const std::string& text);

}  // namespace luthier
