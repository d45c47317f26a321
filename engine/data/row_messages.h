// SPDX-License-Identifier: GPL-3.0-or-later
// One row's messages before its pictures are placed, and the rules by which they are. Internal to the data room.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/data/conversation.h"

namespace luthier::detail {

/// A message as written: plain text (in which <image> is a place for a picture) or typed parts (an image part without a path is a place).
struct RawMessage {
  std::string role;
  std::vector<ContentPart> content;
  bool is_plain = false;

  static RawMessage plain(std::string role, std::string text);
  std::size_t open_places() const;
  bool operator==(const RawMessage& other) const;
};

class RowReader {
 public:
  RowReader(const std::filesystem::path& base, const std::string& where, RowFault* fault) : base_(base), where_(where), fault_(fault) {}

  Error fault(RowFault kind, std::string what, const std::string& field, std::string hint = {}) const;

  /// `field` names the list in errors: messages, conversations, prompt, ...
  Result<std::vector<RawMessage>> messages(const Json& list, const std::string& field) const;
  Result<RawMessage> message(const Json& object, const std::string& field) const;
  /// The row's `images` and `image`: a path, a list of paths, or objects with a path.
  Result<std::vector<std::filesystem::path>> pictures(const Json& row) const;
  /// Fills the places in order. No place at all: the pictures go before the first user text, as TRL puts them.
  Result<std::vector<Message>> place_pictures(std::vector<RawMessage> messages, const std::vector<std::filesystem::path>& pictures) const;

 private:
  Result<std::string> role(const Json& object, const std::string& field) const;
  Result<ContentPart> part(const Json& block, const std::string& field) const;
  Result<std::filesystem::path> picture(const Json& value, const std::string& field) const;

  const std::filesystem::path& base_;
  const std::string& where_;
  RowFault* fault_;
};

/// Messages that hold no places.
std::vector<Message> without_places(std::vector<RawMessage> messages);

}  // namespace luthier::detail
