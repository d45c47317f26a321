// SPDX-License-Identifier: GPL-3.0-or-later
// Which words of an answer differ from a reference: the words outside a longest common subsequence of words.
#pragma once

#include <QString>
#include <vector>

namespace luthier {

struct TextRange {
  int begin = 0, end = 0;
};

/// Ranges of `text` whose words are not in `reference`, in order. Beyond a few hundred words the whole text is one range when it differs.
std::vector<TextRange> changed_words(const QString& reference, const QString& text);

}  // namespace luthier
