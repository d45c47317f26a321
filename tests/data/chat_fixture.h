// SPDX-License-Identifier: GPL-3.0-or-later
// The tiny processors of tests/data/data_room, loaded as the llava family would: (height / 14) *
// (width / 14) marks a picture.
#pragma once

#include <QtTest>

#include "engine/data/processor.h"
#include "engine/io/json.h"

namespace luthier::test {

inline std::filesystem::path data_room() {
  return std::filesystem::path(LUTHIER_TEST_DATA) / "data_room";
}

inline Result<std::shared_ptr<const ChatProcessor>> load_chat(const std::filesystem::path& folder) {
  ImageTokens tokens;
  tokens.expand = [](const PixelValues& pixels) {
    std::string text;
    for (std::int64_t i = 0; i < pixels.shape[2] / 14 * (pixels.shape[3] / 14); ++i)
      text += "<image>";
    return text;
  };
  auto tokenizer = Tokenizer::load(folder);
  if (!tokenizer) return tokenizer.error();
  return ChatProcessor::load(
      folder,
      ChatProcessor::Pictures{
          tokens, (*tokenizer)->token_to_id("<image>").value_or(-1), {"LlavaImageProcessor"}});
}

inline std::string ids_text(const std::vector<std::int64_t>& ids) {
  std::string text;
  for (const std::int64_t id : ids) text += std::to_string(id) + " ";
  return text;
}

}  // namespace luthier::test
