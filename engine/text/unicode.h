// SPDX-License-Identifier: GPL-3.0-or-later
// The little of Unicode that tokenizers need: UTF-8 walking, character classes as tokenizer.json
// means them, lower case, and the four normal forms (utf8proc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace luthier {

/// True when every byte belongs to a well-formed UTF-8 sequence (no surrogates, no overlong forms).
bool utf8_valid(std::string_view text);
/// Bytes of the sequence that starts with `lead`, 1 where it is no lead byte.
std::size_t utf8_length(char lead);
/// The code point at `position`, which is advanced past it. Broken bytes give U+FFFD and advance by
/// one.
char32_t utf8_next(std::string_view text, std::size_t& position);
void utf8_append(std::string& text, char32_t character);
std::size_t utf8_count(std::string_view text);
/// The text with every broken sequence replaced by U+FFFD (one for each maximal broken part).
std::string utf8_lossy(std::string_view bytes);

bool is_space(char32_t character);            ///< White_Space
bool is_word_character(char32_t character);   ///< what \w matches
bool is_numeric(char32_t character);          ///< general category N*
bool is_punctuation(char32_t character);      ///< ASCII punctuation or general category P*
bool is_mark(char32_t character);             ///< general category M*
bool is_nonspacing_mark(char32_t character);  ///< general category Mn
bool is_other(char32_t character);            ///< general category C*
/// Of is_other those that Unicode 8 has as controls, formats or for private use, which the
/// `unicode_categories` of the tokenizers library ends with: an unassigned one is none of them.
bool is_control_or_private(char32_t character);
bool is_cjk_ideograph(char32_t character);
/// Appends the lower-case form, which may be more than one character.
void append_lower(std::string& text, char32_t character);
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

enum class NormalForm { Nfc, Nfd, Nfkc, Nfkd };
/// The text in a normal form; valid UTF-8 in and out.
std::string normalize(std::string_view text, NormalForm form);

}  // namespace luthier
