// SPDX-License-Identifier: GPL-3.0-or-later
// One row's messages before its pictures are placed, and the rules by which they are. Internal to
// the data room.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/data/conversation.h"

namespace luthier::detail {

/// A message as written: plain text (in which <image> is a place for a picture and <video> one for
/// a film) or typed parts (one without a path is a place).
struct RawMessage {
  std::string role;
  std::vector<ContentPart> content;
  bool is_plain = false;
  Json extra = nullptr;  ///< see Message::extra

  static RawMessage plain(std::string role, std::string text);
  std::size_t open_places(ContentPart::Kind kind) const;
  bool operator==(const RawMessage& other) const;
};

/// The text's places and what stands between them. One newline between a mark and the text belongs
/// to the mark.
std::vector<ContentPart> split_at_marks(std::string_view text);

/// Whether a field holds anything: not null, "", [] or [null].
bool holds_something(const Json& value);

/// A row's (or one message's) pictures and films, in their order.
struct RowMedia {
  std::vector<ContentPart> pictures, films;
};

class RowReader {
 public:
  RowReader(const std::filesystem::path& base, const std::string& where, RowFault* fault)
      : base_(base), where_(where), fault_(fault) {}

  Error fault(RowFault kind, std::string what, const std::string& field,
              std::string hint = {}) const;

  /// `field` names the list in errors: messages, conversations, prompt, ...
  Result<std::vector<RawMessage>> messages(const Json& list, const std::string& field) const;
  Result<RawMessage> message(const Json& object, const std::string& field) const;
  /// A message of one text.
  Result<RawMessage> plain(const std::string& role, const Json& text,
                           const std::string& field) const;
  /// The row's `tools`: a list, or JSON in a text. Null when there are none.
  Result<Json> tools(const Json& row) const;
  /// The row's (or one message's) `images` and `image`: a path, a list of paths, or objects with a
  /// path or bytes; and its `videos` and `video`.
  Result<RowMedia> media(const Json& row, const std::string& prefix = {}) const;
  /// Refuses sound in a row's or a message's own fields.
  Status sound(const Json& row, const std::string& prefix = {}) const;
  /// Fills the places in order. No place at all: the pictures go before the first user text, as TRL
  /// puts them, and the films behind them.
  Result<std::vector<Message>> place_media(std::vector<RawMessage> messages,
                                           const RowMedia& media) const;

 private:
  Result<std::string> role(const Json& object, const std::string& field) const;
  Result<ContentPart> part(const Json& block, const std::string& field) const;
  Result<ContentPart> film_part(const Json& block, const std::string& field) const;
  Result<std::vector<std::filesystem::path>> pictures(const Json& row,
                                                      const std::string& prefix) const;
  Result<std::vector<RowFilm>> films(const Json& row, const std::string& prefix) const;
  Result<RowFilm> film(const Json& value, const std::string& field) const;
  Result<RowFilm> film_text(std::string text, const std::string& field) const;
  /// Refuses what a film says of its own cutting and resizing.
  Status no_choice(const Json& object, const std::string& field) const;
  Result<std::filesystem::path> picture(const Json& value, const std::string& field) const;
  Result<std::filesystem::path> picture_text(std::string text, const std::string& field) const;
  Result<std::filesystem::path> picture_bytes(const Json& value, const std::string& field) const;
  /// Refuses the mark of sound.
  Status marks(const std::string& text, const std::string& field) const;
  Status content(const Json& object, const std::string& field, RawMessage& message) const;
  Status tool_calls(const Json& object, const std::string& field, RawMessage& message) const;
  Status own_media(const Json& object, const std::string& field, RawMessage& message) const;

  const std::filesystem::path& base_;
  const std::string& where_;
  RowFault* fault_;
};

/// Messages that hold no places.
std::vector<Message> without_places(std::vector<RawMessage> messages);

}  // namespace luthier::detail
