// SPDX-License-Identifier: GPL-3.0-or-later
// How a row of boxes stands in its conversation, for what reads and writes such rows. Boxes stand
// in Message::extra of the user's turn, and the answers that are to be written have a mark there:
// both go where the notation is put in, so that no template meets them. Internal to boxes.
#pragma once

#include <string>

#include "engine/data/conversation.h"

namespace luthier {

inline constexpr const char* kBoxRowForms =
    "Rows are {\"image\": \"…\", \"boxes\": [{\"label\": \"…\", \"box\": [x1, y1, x2, y2]}]}, in "
    "pixels of the picture, with a \"question\" or a \"caption\" where there is one.";
inline constexpr const char *kBoxesKey = "boxes", *kCaptionKey = "caption",
                            *kExpectedKey = "expected_boxes";

inline bool has_box_extra(const Message& message, const char* key) {
  return message.extra.is_object() && message.extra.contains(key);
}

/// The turn whose picture the boxes are of; null: there is none.
inline const Message* boxes_turn(const Conversation& row) {
  for (const Message& message : row.messages)
    if (message.role == "user" && has_box_extra(message, kBoxesKey)) return &message;
  return nullptr;
}

inline std::string question_beside_boxes(const Message& turn) {
  std::string text;
  for (const ContentPart& part : turn.content)
    if (part.kind == ContentPart::Kind::Text) text += part.text;
  return text;
}

inline std::string box_place(const std::string& where, std::size_t box, const char* field) {
  return where + ": boxes[" + std::to_string(box) + "]" + field;
}

struct BoxRefusal {
  RowFault* fault;
  Error operator()(const std::string& what, const std::string& place,
                   const char* hint = kBoxRowForms) const {
    if (fault) *fault = RowFault::BadRow;
    return input_error(what, place, hint);
  }
};

}  // namespace luthier
