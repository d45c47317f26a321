// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of boxes as a model writes them: question and answer in its notation, whose numbers may go
// by how it sees the picture.
#include <algorithm>
#include <cmath>

#include "engine/data/boxes/box_rows.h"
#include "engine/data/boxes/box_turns.h"
#include "engine/data/boxes/place_tokenizer.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace {

Result<ImageSize> picture_size(const Message& turn, const std::string& where, RowFault* fault,
                               const ChatProcessor::SizeOf& size_of) {
  const auto picture =
      std::find_if(turn.content.begin(), turn.content.end(),
                   [](const ContentPart& part) { return part.kind == ContentPart::Kind::Image; });
  if (picture == turn.content.end())
    return BoxRefusal{fault}("The row has no picture.", where + ": image");
  auto size = size_of ? size_of(picture->image) : read_image_size(picture->image);
  if (size) return size;
  std::error_code ignored;
  const bool there =
      is_inline_picture(picture->image) || std::filesystem::exists(picture->image, ignored);
  if (fault) *fault = there ? RowFault::BrokenImage : RowFault::MissingImage;
  Error error = size.error();
  error.where = error.where.empty() ? where : where + ": " + error.where;
  return error;
}

/// As smart_resize made the picture: patches of the grid times a patch's side.
Result<ImageSize> seen_size(const BoxWriter& writer, ImageSize picture, const std::string& where) {
  if (!writer.notation->counts_seen_pixels()) return ImageSize{};
  if (!writer.pictures)
    return input_error("This model reads text alone, and the row's boxes are of a picture.", where,
                       "Choose a model that takes pictures.");
  LUTHIER_TRY(const PixelValues outline,
              writer.pictures->among(1).outline(picture.width, picture.height));
  if (outline.grid.size() == 3 && outline.shape.size() == 2)
    for (const std::int64_t frames : {2, 1}) {
      const auto patch = static_cast<std::int64_t>(
          std::lround(std::sqrt(static_cast<double>(outline.shape[1] / (3 * frames)))));
      if (patch * patch * 3 * frames == outline.shape[1])
        return ImageSize{static_cast<int>(outline.grid[2] * patch),
                         static_cast<int>(outline.grid[1] * patch)};
    }
  return input_error("The picture processor does not say which size it makes of a picture.", where,
                     "Boxes of this model are counted in pixels of the picture as it sees it.");
}

std::vector<std::string> labels_of(const std::vector<LabelledBox>& boxes) {
  std::vector<std::string> labels;
  for (const LabelledBox& box : boxes)
    if (std::find(labels.begin(), labels.end(), box.label) == labels.end())
      labels.push_back(box.label);
  return labels;
}

void take_extra(Message& message) {
  if (!message.extra.is_object()) return;
  for (const char* key : {kBoxesKey, kCaptionKey, kExpectedKey}) message.extra.erase(key);
  if (message.extra.empty()) message.extra = nullptr;
}

void put_answer_text(std::vector<Message>& messages, const std::string& answer) {
  for (Message& message : messages)
    if (message.role == "assistant" && has_box_extra(message, kBoxesKey)) {
      message.content = {ContentPart::of_text(answer)};
      take_extra(message);
    }
}

}  // namespace

BoxWriter box_writer(const ChatProcessor& processor) {
  const auto* places = dynamic_cast<const PlaceTokenizer*>(&processor.tokenizer());
  return {places ? &places->notation() : &box_notation_for({}), processor.image_processor()};
}

Result<std::string> boxes_text(const Conversation& row, const BoxWriter& writer,
                               const std::string& where, RowFault* fault,
                               const ChatProcessor::SizeOf& size_of) {
  const BoxRefusal refused{fault};
  const Message* turn = boxes_turn(row);
  if (!turn) return refused("The row has no boxes.", where + ": boxes");
  BoxSight sight;
  LUTHIER_TRY(sight.picture, picture_size(*turn, where, fault, size_of));
  auto seen = seen_size(writer, sight.picture, where);
  if (!seen) {
    if (fault) *fault = RowFault::BrokenImage;
    Error error = seen.error();
    if (error.where.empty()) error.where = where;
    return error;
  }
  sight.seen = *seen;
  std::vector<LabelledBox> boxes = boxes_of(row);
  const double width = sight.picture.width, height = sight.picture.height;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    BoxCorners& corners = boxes[i].corners;
    const bool wide = corners[2] > width + 1 || corners[0] >= width;
    if (wide || corners[3] > height + 1 || corners[1] >= height)
      return refused("The box reaches beyond its picture, which is " +
                         std::to_string(sight.picture.width) + " x " +
                         std::to_string(sight.picture.height) + " pixels.",
                     box_place(where, i, ".box"),
                     "Boxes are in pixels of the picture as it lies in its file: x1, y1, x2, y2.");
    corners[2] = std::min(corners[2], width);
    corners[3] = std::min(corners[3], height);
    if (const std::string mark = writer.notation->mark_in(boxes[i].label); !mark.empty())
      return refused("The label holds " + mark + ", by which this model tells boxes apart.",
                     box_place(where, i, ".label"), "Write the label without it.");
  }
  return writer.notation->write(boxes, sight);
}

Result<Conversation> written_boxes(const Conversation& row, const BoxWriter& writer,
                                   const std::string& where, RowFault* fault,
                                   const ChatProcessor::SizeOf& size_of) {
  LUTHIER_TRY(const std::string answer, boxes_text(row, writer, where, fault, size_of));
  const std::vector<LabelledBox> boxes = boxes_of(row);
  Conversation written = row;
  for (Message& message : written.messages) {
    if (message.role != "user" || !has_box_extra(message, kBoxesKey)) continue;
    const std::string caption = has_box_extra(message, kCaptionKey)
                                    ? message.extra[kCaptionKey].get<std::string>()
                                    : std::string();
    if (question_beside_boxes(message).empty())
      message.content.push_back(
          ContentPart::of_text(writer.notation->question(labels_of(boxes), caption)));
    take_extra(message);
  }
  put_answer_text(written.messages, answer);
  for (auto* answers : {&written.chosen, &written.rejected, &written.answer})
    if (*answers) put_answer_text(**answers, answer);
  return written;
}

Result<Conversation> boxes_for_judges(const Conversation& row, const BoxWriter& writer,
                                      const std::string& where) {
  LUTHIER_TRY(const std::string answer, boxes_text(row, writer, where));
  LUTHIER_TRY(Conversation written, written_boxes(row, writer, where));
  for (std::size_t i = 0; i < written.messages.size(); ++i)
    if (&row.messages[i] == boxes_turn(row))
      written.messages[i].extra = {
          {kExpectedKey, {{"notation", writer.notation->name()}, {"answer", answer}}}};
  return written;
}

std::optional<ExpectedBoxes> expected_boxes(const Conversation& row) {
  for (const Message& message : row.messages) {
    if (!has_box_extra(message, kExpectedKey)) continue;
    const Json& noted = message.extra[kExpectedKey];
    if (const auto* notation = find_box_notation(noted["notation"].get<std::string>()))
      return ExpectedBoxes{notation, noted["answer"].get<std::string>()};
  }
  return {};
}

}  // namespace luthier
