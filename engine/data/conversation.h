// SPDX-License-Identifier: GPL-3.0-or-later
// One training row in its one inner form: messages of typed content. Every row format people have is read into this.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/row_fault.h"
#include "engine/io/json.h"

namespace luthier {

struct ContentPart {
  enum class Kind { Text, Image } kind = Kind::Text;
  std::string text;                 ///< Kind::Text
  std::filesystem::path image;      ///< Kind::Image, absolute or relative to the working directory (already resolved against the dataset's folder)
};

struct Message {
  std::string role;                 ///< system | user | assistant
  std::vector<ContentPart> content;
};

struct Conversation {
  std::vector<Message> messages;
  /// Preference rows: the two answers to the same messages.
  std::optional<std::vector<Message>> chosen, rejected;
};

/// Reads one row of any format of the specification: `messages`; LLaVA/ShareGPT `conversations` (from/value, image or images); `messages` of
/// plain-text content with `images` and <image> marks (LLaMA-Factory, TRL); `{"image","prompt","completion"}`; preference rows.
/// In plain texts an <image> mark is a picture's place (one newline between it and the text belongs to the mark); without marks the
/// pictures stand before the first user text. The number of marks must be the number of pictures.
/// `base`: folder that relative picture paths are relative to; `where`: "train.jsonl: row 3"; `fault` gets the kind of an error.
Result<Conversation> read_conversation(const Json& row, const std::filesystem::path& base, const std::string& where, RowFault* fault = nullptr);

/// `{"messages": [...]}` of one file, for forward and generate (paths relative to the file).
Result<Conversation> read_conversation_file(const std::filesystem::path& path);

/// The messages as a chat template sees them: content is a list of {"type": "image"} and {"type": "text", "text": ...}.
Json messages_for_template(const std::vector<Message>& messages);

}  // namespace luthier
