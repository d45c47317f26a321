// SPDX-License-Identifier: GPL-3.0-or-later
// What a decoder's rows begin with whose encoder reads a plain text (RowForm::Source), by
// config.json as transformers' classes shift their labels to the right.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/processor.h"
#include "engine/io/json.h"

namespace luthier {

/// None: a row's last token goes to its front, which is the language that it is written in (mBART).
Result<std::optional<TokenId>> answer_start(const Json& config, const std::string& where);

/// What is written (`written`, its end and what stands behind it with it) as the decoder gets it,
/// one later: its last token is predicted and not read.
std::vector<TokenId> shifted_right(std::vector<TokenId> written, std::optional<TokenId> start);

/// The language that answers are written in, by tokenizer_config.json's tgt_lang; −1: that of what
/// is read.
TokenId answer_language(const std::filesystem::path& folder, const Tokenizer& tokenizer);

/// ImageTokens::answer_start of rows whose last token goes to their front, and back: it holds the
/// language of answers.
constexpr TokenId moved_start(TokenId language) { return -1 - (language + 1); }
constexpr TokenId language_of_start(TokenId start) { return -1 - start - 1; }

/// Puts `language` in the place of the one that the tokenizer has put around a text.
void set_language(const Tokenizer& tokenizer, TokenId language, Encoding& encoding);

}  // namespace luthier
