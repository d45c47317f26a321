// SPDX-License-Identifier: GPL-3.0-or-later
// tokenizer.json from anywhere. One that is accepted must encode and decode any text without a
// crash, with ids below its vocabulary. What follows the last zero byte of the input is the text;
// without one a fixed text is used.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/text/tokenizer_json.h"

namespace {

void exercise(const luthier::Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {false, true}) {
    const auto encoding = tokenizer.encode(text, special);
    if (!encoding) continue;
    for (const luthier::TokenId id : encoding->ids) {
      if (id < 0 || id >= tokenizer.vocab_size()) std::abort();
      (void)tokenizer.id_to_token(id);
      (void)tokenizer.is_special(id);
    }
    for (const auto& [begin, end] : encoding->offsets) {
      if (begin > end || end > text.size()) std::abort();
    }
    (void)tokenizer.decode(encoding->ids, special);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = input.rfind('\0');
  const std::string_view json = input.substr(0, zero);
  const std::string_view text =
      zero == std::string_view::npos
          ? "Hello world's  <image>\n\xed\x95\x9c\xea\xb8\x80 1234 caf\xc3\xa9</s>"
          : input.substr(zero + 1);
  const auto tokenizer = luthier::tokenizer_from_json(json, "tokenizer.json");
  if (!tokenizer) return 0;
  exercise(**tokenizer, text);
  exercise(**tokenizer, "");
  const luthier::TokenId beyond[] = {-1, (*tokenizer)->vocab_size()};
  if ((*tokenizer)->decode(std::span(beyond).first(1), false) ||
      (*tokenizer)->decode(std::span(beyond).last(1), false))
    std::abort();
  return 0;
}
