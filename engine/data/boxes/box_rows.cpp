// SPDX-License-Identifier: GPL-3.0-or-later
// Boxes stand in Message::extra of the user's turn, and the answers that are to be written have a
// mark there: both go where the notation is put in, so that no template meets them.
#include "engine/data/boxes/box_rows.h"

#include <algorithm>
#include <cmath>

#include "engine/base/text.h"
#include "engine/data/boxes/place_tokenizer.h"
#include "engine/data/picture_of_row.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace {

constexpr const char* kBoxRowForms =
    "Rows are {\"image\": \"…\", \"boxes\": [{\"label\": \"…\", \"box\": [x1, y1, x2, y2]}]}, in "
    "pixels of the picture, with a \"question\" or a \"caption\" where there is one.";
constexpr const char *kBoxesKey = "boxes", *kCaptionKey = "caption",
                     *kExpectedKey = "expected_boxes";
constexpr std::size_t kLongestLabel = 1000;  // bytes

bool given(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

bool no_words(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

bool has_extra(const Message& message, const char* key) {
  return message.extra.is_object() && message.extra.contains(key);
}

/// The turn whose picture the boxes are of; null: there is none.
const Message* asking_turn(const Conversation& row) {
  for (const Message& message : row.messages)
    if (message.role == "user" && has_extra(message, kBoxesKey)) return &message;
  return nullptr;
}

std::string box_place(const std::string& where, std::size_t box, const char* field) {
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

Result<Json> read_box(const Json& value, std::size_t number, const std::string& where,
                      const BoxRefusal& refused) {
  const auto place = [&](const char* field) { return box_place(where, number, field); };
  if (!value.is_object()) return refused("A box must be an object.", place(""));
  if (!value.contains("label") || !value["label"].is_string() ||
      no_words(value["label"].get_ref<const std::string&>()))
    return refused("The box has no label.", place(".label"));
  const std::string label = trimmed(value["label"].get<std::string>());
  const bool breaks = std::any_of(label.begin(), label.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (breaks || label.size() > kLongestLabel)
    return refused("A label is one line of 1,000 bytes at most.", place(".label"));
  if (!value.contains("box") || !value["box"].is_array() || value["box"].size() != 4)
    return refused("The box has no list of four numbers.", place(".box"));
  const Json& corners = value["box"];
  for (const Json& corner : corners)
    if (!corner.is_number() || !std::isfinite(corner.get<double>()))
      return refused("A corner of the box is no number.", place(".box"));
  const auto at = [&](std::size_t i) { return corners[i].get<double>(); };
  if (at(0) < 0 || at(1) < 0)
    return refused("The box begins outside of its picture.", place(".box"));
  if (!(at(2) > at(0)) || !(at(3) > at(1)))
    return refused("The box has no area: x2 must be above x1, and y2 above y1.", place(".box"));
  return Json{{"label", label}, {"box", corners}};
}

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
    if (message.role == "assistant" && has_extra(message, kBoxesKey)) {
      message.content = {ContentPart::of_text(answer)};
      take_extra(message);
    }
}

/// A question without the mark of its picture in front, which other rows' texts may have, too.
std::string without_mark(const std::string& question) {
  constexpr std::string_view mark = "<image>";
  const std::string text = trimmed(question);
  return text.starts_with(mark) ? trimmed(text.substr(mark.size())) : question;
}

std::string question_in(const Message& turn) {
  std::string text;
  for (const ContentPart& part : turn.content)
    if (part.kind == ContentPart::Kind::Text) text += part.text;
  return text;
}

}  // namespace

bool is_box_row(const Json& row) {
  if (!row.is_object() || !given(row, kBoxesKey)) return false;
  if (!given(row, "image") && !given(row, "images")) return false;
  for (const char* key :
       {"messages", "conversations", "completion", "output", "response", "answer", "chosen",
        "rejected", "completions", "target", "text", "instruction", "query", "input", "history"})
    if (given(row, key)) return false;
  // A prompt with boxes of another form may be judged by a program of the person's own.
  if (!given(row, "prompt")) return true;
  const Json& boxes = row[kBoxesKey];
  return boxes.is_array() && !boxes.empty() && boxes.front().is_object() &&
         boxes.front().contains("box");
}

Result<Conversation> read_box_row(const Json& row, const std::filesystem::path& base,
                                  const std::string& where, RowFault* fault) {
  const BoxRefusal refused{fault};
  Json picture = {{"image", given(row, "image") ? row["image"] : row["images"]}};
  if (picture["image"].is_array()) {
    if (picture["image"].size() != 1)
      return refused("Boxes are of one picture.", where + ": images");
    Json alone = picture["image"].front();
    picture["image"] = std::move(alone);
  }
  const Json& written = row[kBoxesKey];
  if (!written.is_array() || written.empty())
    return refused("The row has no list of boxes.", where + ": boxes");
  if (written.size() > kMostBoxes)
    return refused("The row has " + std::to_string(written.size()) + " boxes, and 1,000 are read.",
                   where + ": boxes", "Take the smallest out, or split the picture.");
  Json boxes = Json::array();
  for (std::size_t i = 0; i < written.size(); ++i) {
    LUTHIER_TRY(Json box, read_box(written[i], i, where, refused));
    boxes.push_back(std::move(box));
  }
  std::string question;
  for (const char* key : {"question", "prompt"}) {
    if (!given(row, key)) continue;
    if (!row[key].is_string())
      return refused("The question about a row's boxes must be a text.", where + ": " + key);
    question = without_mark(row[key].get<std::string>());
    if (question.find("<image>") != std::string::npos)
      return refused("The row's picture stands before its question, which has another <image>.",
                     where + ": " + key, "Take the mark out.");
    break;
  }
  std::string caption;
  if (given(row, kCaptionKey)) {
    if (!row[kCaptionKey].is_string())
      return refused("The caption must be a text.", where + ": caption");
    caption = row[kCaptionKey].get<std::string>();
  }
  LUTHIER_TRY(Conversation made, read_picture_of_row(picture, base, where, fault));
  Message& asked = made.messages.front();
  if (!no_words(question)) asked.content.push_back(ContentPart::of_text(question));
  asked.extra = {{kBoxesKey, boxes}};
  if (!no_words(caption)) asked.extra[kCaptionKey] = caption;
  Message answer{"assistant",
                 {ContentPart::of_text(boxes.dump(-1, ' ', false, Json::error_handler_t::replace))},
                 {{kBoxesKey, true}}};
  made.messages.push_back(std::move(answer));
  if (given(row, "system") && !row["system"].is_string())
    return refused("The system's words must be a text.", where + ": system");
  if (given(row, "system") && !no_words(row["system"].get<std::string>()))
    made.messages.insert(
        made.messages.begin(),
        Message{"system", {ContentPart::of_text(row["system"].get<std::string>())}, nullptr});
  return made;
}

bool holds_boxes(const Conversation& row) { return asking_turn(row) != nullptr; }

std::vector<LabelledBox> boxes_of(const Conversation& row) {
  std::vector<LabelledBox> boxes;
  const Message* turn = asking_turn(row);
  if (!turn) return boxes;
  for (const Json& each : turn->extra[kBoxesKey]) {
    LabelledBox box;
    box.label = each["label"].get<std::string>();
    for (std::size_t i = 0; i < 4; ++i) box.corners[i] = each["box"][i].get<double>();
    boxes.push_back(std::move(box));
  }
  return boxes;
}

std::optional<Json> box_row_json(const Conversation& row, const std::string& picture) {
  const Message* turn = asking_turn(row);
  const bool answered =
      turn && row.messages.back().role == "assistant" && has_extra(row.messages.back(), kBoxesKey);
  if (!answered) return {};
  Json json = {{"image", picture}};
  if (const std::string question = question_in(*turn); !question.empty())
    json["question"] = question;
  for (const char* key : {kBoxesKey, kCaptionKey})
    if (has_extra(*turn, key)) json[key] = turn->extra[key];
  if (row.messages.front().role == "system") json["system"] = question_in(row.messages.front());
  return json;
}

BoxWriter box_writer(const ChatProcessor& processor) {
  const auto* places = dynamic_cast<const PlaceTokenizer*>(&processor.tokenizer());
  return {places ? &places->notation() : &box_notation_for({}), processor.image_processor()};
}

Result<std::string> boxes_text(const Conversation& row, const BoxWriter& writer,
                               const std::string& where, RowFault* fault,
                               const ChatProcessor::SizeOf& size_of) {
  const BoxRefusal refused{fault};
  const Message* turn = asking_turn(row);
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
    if (message.role != "user" || !has_extra(message, kBoxesKey)) continue;
    const std::string caption = has_extra(message, kCaptionKey)
                                    ? message.extra[kCaptionKey].get<std::string>()
                                    : std::string();
    if (question_in(message).empty())
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
    if (&row.messages[i] == asking_turn(row))
      written.messages[i].extra = {
          {kExpectedKey, {{"notation", writer.notation->name()}, {"answer", answer}}}};
  return written;
}

std::optional<ExpectedBoxes> expected_boxes(const Conversation& row) {
  for (const Message& message : row.messages) {
    if (!has_extra(message, kExpectedKey)) continue;
    const Json& noted = message.extra[kExpectedKey];
    if (const auto* notation = find_box_notation(noted["notation"].get<std::string>()))
      return ExpectedBoxes{notation, noted["answer"].get<std::string>()};
  }
  return {};
}

}  // namespace luthier
