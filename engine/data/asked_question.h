// SPDX-License-Identifier: GPL-3.0-or-later
// What a family makes of a question whose answer goes on where it ends (RowForm::PrefixSuffix with
// ImageTokens::ask: BLIP-2, InstructBLIP). ImageTokens::ask gives one text, so that the rest of it
// is written behind that text and read from there again.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/text/tokenizer.h"

namespace luthier {

struct AskedQuestion {
  std::string text;             ///< as the language model reads it
  TokenId end = -1;             ///< what the answer ends with; −1: the tokenizer's own token
  std::vector<TokenId> beside;  ///< the question as another part of the model reads it, by another
                                ///< tokenizer; empty: none does
};

std::string written(const AskedQuestion& question);
/// An error only where `text` was not written so.
Result<AskedQuestion> read_asked(const std::string& text);

}  // namespace luthier
