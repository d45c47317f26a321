// SPDX-License-Identifier: GPL-3.0-or-later
// A ModelProto from anywhere: sentencepiece itself crashes on hostile ones, so what our checks let
// through must load, encode and decode. What follows the last four zero bytes is the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/text/sentencepiece_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace std::string_view_literals;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t mark = input.rfind("\0\0\0\0"sv);
  const std::string_view model = input.substr(0, mark);
  const std::string_view text = mark == std::string_view::npos
                                    ? "Hello world <s> \xed\x95\x9c\xea\xb8\x80"sv
                                    : input.substr(mark + 4);
  const auto tokenizer = luthier::load_sentencepiece(model, "tokenizer.model", {});
  if (!tokenizer) return 0;
  const auto encoding = (*tokenizer)->encode(text, true);
  if (!encoding) return 0;
  for (const luthier::TokenId id : encoding->ids) {
    if (id < 0 || id >= (*tokenizer)->vocab_size()) std::abort();
  }
  (void)(*tokenizer)->decode(encoding->ids, false);
  return 0;
}
