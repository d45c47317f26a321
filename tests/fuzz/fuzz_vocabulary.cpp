// SPDX-License-Identifier: GPL-3.0-or-later
// A folder's vocabulary without tokenizer.json, parted by zero bytes: tokenizer_config.json, then
// vocab.txt, or vocab.json and merges.txt. Refused with a sentence, or a tokenizer whose ids are
// below its vocabulary.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"

namespace fs = std::filesystem;

namespace {

void put(const fs::path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary).write(text.data(), std::streamsize(text.size()));
}

std::string_view until_zero(std::string_view& rest) {
  const std::string_view part = rest.substr(0, rest.find('\0'));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fs::path folder =
      fs::temp_directory_path() / ("fuzz-vocabulary-" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  put(folder / "tokenizer_config.json", until_zero(rest));
  const std::string_view words = until_zero(rest);
  put(folder / (words.starts_with('{') ? "vocab.json" : "vocab.txt"), words);
  put(folder / "merges.txt", rest);
  const auto tokenizer = luthier::Tokenizer::load(folder);
  if (!tokenizer) {
    if (tokenizer.error().sentence().empty()) std::abort();
    return 0;
  }
  const auto encoding = (*tokenizer)->encode("Hello world's  [MASK]\n\xed\x95\x9c 12</s>", true);
  if (!encoding) return 0;
  for (const luthier::TokenId id : encoding->ids)
    if (id < 0 || id >= (*tokenizer)->vocab_size()) std::abort();
  (void)(*tokenizer)->decode(encoding->ids, true);
  return 0;
}
