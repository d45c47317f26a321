// SPDX-License-Identifier: GPL-3.0-or-later
// One training row in its one inner form: messages of typed content. Every row format people have
// is read into this.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/row_fault.h"
#include "engine/data/row_film.h"
#include "engine/io/json.h"

namespace luthier {

struct ContentPart {
  enum class Kind { Text, Image, Film } kind = Kind::Text;
  std::string text;  ///< Kind::Text
  std::filesystem::path
      image;  ///< Kind::Image, absolute or relative to the working directory (already resolved
              ///< against the dataset's folder), or an inline picture
  RowFilm film = {};  ///< Kind::Film

  static ContentPart of_text(std::string text) { return {Kind::Text, std::move(text), {}}; }
  static ContentPart of_image(std::filesystem::path path) {
    return {Kind::Image, {}, std::move(path)};
  }
  static ContentPart of_film(RowFilm film) { return {Kind::Film, {}, {}, std::move(film)}; }
  bool operator==(const ContentPart&) const = default;
};

struct Message {
  std::string role;  ///< system | user | assistant | tool
  std::vector<ContentPart> content;
  /// What a template may read besides: tool_calls, tool_call_id, name, reasoning_content. Null:
  /// none.
  Json extra = nullptr;
};

struct Conversation {
  std::vector<Message> messages;
  /// Preference rows: the two answers to the same messages.
  std::optional<std::vector<Message>> chosen, rejected;
  std::optional<std::vector<Message>> answer;  ///< of a row whose answer was found good or bad
  Json tools = nullptr;                        ///< the row's tools, as a template takes them
  std::map<std::string, double> numbers;       ///< what its kind reads besides: a margin, a label
  std::string kind;                            ///< of row, where nobody asked for a certain one
};

/// Reads one row of any format of the specification: `messages`; LLaVA/ShareGPT `conversations`
/// (from/value, image or images); `messages` of plain-text content with `images` and <image> marks
/// (LLaMA-Factory, TRL); a question and its answer (`prompt` and `completion`, `instruction`,
/// `input` and `output`, `query` and `response`, `question` and `answer`) with `history` and
/// `system`; preference rows. Pictures are paths, data URIs, base64, or objects with `path` or
/// `bytes`; films stand in videos or video and are a folder of pictures, a list of them, or a file.
/// Sound is refused, and so is a picture under a key that is not read. In plain texts an <image>
/// mark is a picture's place and a <video> mark a film's (one newline between it and the text
/// belongs to the mark); without marks they stand before the first user text, pictures first. The
/// number of marks must be the number of pictures and of films. `base`: folder that relative
/// picture paths are relative to; `where`: "train.jsonl: row 3"; `fault` gets the kind of an error.
Result<Conversation> read_conversation(const Json& row, const std::filesystem::path& base,
                                       const std::string& where, RowFault* fault = nullptr);

/// Whether a message calls a tool or answers such a call.
bool uses_tools(const std::vector<Message>& messages);

/// The messages as a chat template sees them: content is a list of {"type": "image"}, {"type":
/// "video"} and {"type": "text", "text": ...}.
Json messages_for_template(const std::vector<Message>& messages);

}  // namespace luthier
