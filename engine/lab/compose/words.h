// SPDX-License-Identifier: GPL-3.0-or-later
// The words that a family needs beside a language model's own: their ids, the tokenizer's files
// with them, and a chat template that writes pictures' marks into the language model's turns.
// Internal to the composer.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/lab/compose/connector.h"
#include "engine/text/tokenizer.h"

namespace luthier {

/// Where each word stands: under the id that it has, else behind the tokenizer's last. An Input
/// error where the tokenizer cannot be read, or takes no new words.
Result<std::vector<ComposedWord>> place_words(const LanguageSource& language,
                                              const std::vector<std::string>& wanted);
/// Rows that the language model's tables lack for all of them.
std::int64_t rows_lacking(const LanguageSource& language, const std::vector<ComposedWord>& words);

/// The language model's tokenizer and generation settings, with the words entered. `pads`: a token
/// that fills rows up is named where there is none.
Status write_tokenizer_files(const LanguageSource& language, const std::vector<ComposedWord>& words,
                             bool pads, const std::filesystem::path& folder);

struct PictureTemplate {
  std::string source;
  std::string note;  ///< whose it is
};
/// The language model's own template, before which pictures become `mark` in the text of their
/// turns; where it has none, or one that does not keep the mark as it must stand, another.
Result<PictureTemplate> picture_template(const LanguageSource& language, const PictureMark& mark);

/// Before a template of texts: turns of parts become turns of text, with the mark in the place of
/// each picture. Each line is a tag, so that nothing of it is written.
std::string flattened_turns(const PictureMark& mark);
/// Turns with bare marks: User:<image>…, Assistant: …, and an end behind the last answer alone.
const char* bare_turns();
/// Whether the template writes <image> once for one picture as `wanted`, and question and answer.
bool writes_picture(const std::string& source, const PictureMark& wanted,
                    const Tokenizer& tokenizer);

}  // namespace luthier
