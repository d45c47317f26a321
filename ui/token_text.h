// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <string>

namespace luthier {

/// A token's piece with its spaces and line ends to be seen, as sentencepiece, byte fallback and
/// byte-level vocabularies spell them.
QString token_text(const std::string& piece);

}  // namespace luthier
