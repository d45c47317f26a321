// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a picture and boxes in it: {"image": "a.png", "boxes": [{"label": "red cube",
// "box": [x1, y1, x2, y2]}, …]}, in pixels of the picture, with a "question", or with a "caption"
// whose phrases the labels are. Such a row is a conversation like any other: a question about the
// picture and its answer. Until a model is known the answer stands as the row has it, for people to
// read; the model's processor then writes question and answer in the model's own notation.
#pragma once

#include "engine/data/boxes/box_notation.h"
#include "engine/data/processor.h"

namespace luthier {

/// Whether a row is read as one of boxes: it has a picture and boxes, and no answer of its own.
bool is_box_row(const Json& row);

/// The picture and the question, if any, as the user's turn, and the boxes as the answer; a
/// "system" text before them. Errors name the field: a box of no area, a number that is none, an
/// empty label, no box and more than kMostBoxes. What reaches beyond the picture is found when the
/// row meets its picture, in written_boxes.
Result<Conversation> read_box_row(const Json& row, const std::filesystem::path& base,
                                  const std::string& where, RowFault* fault);

/// Whether the conversation is a row of boxes, or the prompt of one, that no model's notation has
/// been put into.
bool holds_boxes(const Conversation& row);
/// Of such a row, in pixels of its picture.
std::vector<LabelledBox> boxes_of(const Conversation& row);
/// The row as read_box_row reads it, its picture under this name; nothing where its answer is not
/// the boxes (any more).
std::optional<Json> box_row_json(const Conversation& row, const std::string& picture);

/// Who writes boxes: a notation, and the picture processor where it counts by what that makes of a
/// picture.
struct BoxWriter {
  const BoxNotation* notation = nullptr;
  const ImageProcessor* pictures = nullptr;
};
BoxWriter box_writer(const ChatProcessor& processor);

/// The row's answer. `size_of` empty: the picture's size from its file's header. An Input error
/// names the box that reaches more than a pixel beyond its picture, or the label that holds a mark
/// of the notation's.
Result<std::string> boxes_text(const Conversation& row, const BoxWriter& writer,
                               const std::string& where, RowFault* fault = nullptr,
                               const ChatProcessor::SizeOf& size_of = {});
/// The conversation as it goes to the model: with the notation's question, where it asks nothing,
/// and its answers in the notation. It holds no boxes any more.
Result<Conversation> written_boxes(const Conversation& row, const BoxWriter& writer,
                                   const std::string& where, RowFault* fault = nullptr,
                                   const ChatProcessor::SizeOf& size_of = {});

/// What a row of boxes expects of a model, for who judges answers by the conversation alone.
struct ExpectedBoxes {
  const BoxNotation* notation = nullptr;
  std::string answer;
};
/// written_boxes, with that noted beside the question.
Result<Conversation> boxes_for_judges(const Conversation& row, const BoxWriter& writer,
                                      const std::string& where);
/// Nothing: none is noted.
std::optional<ExpectedBoxes> expected_boxes(const Conversation& row);

}  // namespace luthier
