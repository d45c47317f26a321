// SPDX-License-Identifier: GPL-3.0-or-later
// The `normalizer` section of tokenizer.json: what happens to the text before it is cut.
#pragma once

#include <memory>
#include <string>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/aligned_text.h"

namespace luthier {

/// Text may grow to this many times its bytes (plus 64 KiB) on its way to tokens; beyond, the file
/// is hostile.
inline constexpr std::size_t kMaxGrowth = 64;

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual Status apply(AlignedText& text) const = 0;
};

/// Reads the section (nullptr result: none). `where` is file and field.
Result<std::unique_ptr<Normalizer>> read_normalizer(const SortedJson& value,
                                                    const std::string& where);
/// sentencepiece's own character map (a double array and its strings), base64 in JSON.
Result<std::unique_ptr<Normalizer>> read_precompiled(const SortedJson& value,
                                                     const std::string& where);

/// The 256 printable characters that byte-level vocabularies write bytes with.
const std::string& byte_level_character(unsigned char byte);
/// The byte of such a character, or -1.
int byte_level_byte(char32_t character);
/// Every byte written with its character.
void to_byte_level(AlignedText& text);

}  // namespace luthier
