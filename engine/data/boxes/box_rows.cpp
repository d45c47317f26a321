// SPDX-License-Identifier: GPL-3.0-or-later
// Reading rows of boxes, and back.
#include "engine/data/boxes/box_rows.h"

#include <algorithm>
#include <cmath>

#include "engine/base/text.h"
#include "engine/data/boxes/box_turns.h"
#include "engine/data/picture_of_row.h"

namespace luthier {

namespace {

constexpr std::size_t kLongestLabel = 1000;  // bytes

bool given(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

bool no_words(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

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

/// A question without the mark of its picture in front, which other rows' texts may have, too.
std::string without_mark(const std::string& question) {
  constexpr std::string_view mark = "<image>";
  const std::string text = trimmed(question);
  return text.starts_with(mark) ? trimmed(text.substr(mark.size())) : question;
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

bool holds_boxes(const Conversation& row) { return boxes_turn(row) != nullptr; }

std::vector<LabelledBox> boxes_of(const Conversation& row) {
  std::vector<LabelledBox> boxes;
  const Message* turn = boxes_turn(row);
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
  const Message* turn = boxes_turn(row);
  const bool answered = turn && row.messages.back().role == "assistant" &&
                        has_box_extra(row.messages.back(), kBoxesKey);
  if (!answered) return {};
  Json json = {{"image", picture}};
  if (const std::string question = question_beside_boxes(*turn); !question.empty())
    json["question"] = question;
  for (const char* key : {kBoxesKey, kCaptionKey})
    if (has_box_extra(*turn, key)) json[key] = turn->extra[key];
  if (row.messages.front().role == "system")
    json["system"] = question_beside_boxes(row.messages.front());
  return json;
}

}  // namespace luthier
