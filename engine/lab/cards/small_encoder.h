// SPDX-License-Identifier: GPL-3.0-or-later
// The encoder of the cards that read a text from both sides: a BERT of three layers.
#pragma once

#include "engine/lab/card_files.h"

namespace luthier {

/// config.json of one, to which a card adds its head.
Json small_encoder(const WordTokenizer& words);
WordTokenizer encoder_words();

}  // namespace luthier
