// SPDX-License-Identifier: GPL-3.0-or-later
// The decoder of the cards that write text from left to right: a Llama of three layers.
#pragma once

#include "engine/lab/card_files.h"

namespace luthier {

/// `last`: special tokens behind the words. Writes the tokenizer and config.json.
Status write_small_decoder(const CardDraft& draft, const std::vector<std::string>& last);

}  // namespace luthier
