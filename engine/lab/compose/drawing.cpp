// SPDX-License-Identifier: GPL-3.0-or-later
// A composition as the command line draws it. No LibTorch.
#include <algorithm>

#include "engine/lab/compose/composition.h"

namespace luthier {

namespace {

std::string shown_count(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto place = static_cast<std::ptrdiff_t>(text.size()) - 3; place > 0; place -= 3)
    text.insert(static_cast<std::size_t>(place), 1, ',');
  return text;
}

std::string padded_text(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

const char* row_told(ComposedWord::Row row) {
  return row == ComposedWord::Row::Known  ? "known"
         : row == ComposedWord::Row::Free ? "a row that was free"
         : row == ComposedWord::Row::None ? "no row: nothing looks it up"
                                          : "a new row";
}

std::string parts_drawn(const Composition& composition) {
  std::string text;
  for (const ComposedPart& part : composition.parts) {
    text += "  " + padded_text(part.part, 16) + padded_text(shown_count(part.parameters), 16);
    if (part.drawn == part.parameters)
      text += "drawn";
    else if (part.drawn == 0)
      text += "from " + part.folder;
    else
      text += "from " + part.folder + ", " + shown_count(part.drawn) + " drawn";
    text += "\n";
  }
  return text;
}

std::string trains_text(const ComposedStage& stage) {
  std::string text;
  const auto add = [&](const char* part, bool trains) {
    if (trains) text += (text.empty() ? "" : ", ") + std::string(part);
  };
  add("vision_tower", stage.vision_tower), add("projector", stage.projector);
  add("language_model", stage.language_model);
  return text;
}

std::string stages_drawn(const Composition& composition) {
  std::string text;
  std::size_t number = 0;
  for (const ComposedStage& stage : composition.stages) {
    // As the recipe counts them: a stage without one is not of it.
    const std::string place = stage.lacks.empty() ? std::to_string(++number) : "-";
    text += "  " + place + " " + stage.name + ": " + stage.learns + "\n";
    text += "      trains: " + trains_text(stage) + "\n";
    text += "      " + stage.paper + "\n";
    if (!stage.lacks.empty()) {
      text += "      " + stage.lacks + "\n";
      continue;
    }
    text += "      strategy=" + stage.strategy;
    for (const std::string& setting : stage.settings) text += " " + setting;
    text += "\n";
  }
  return text;
}

}  // namespace

std::string drawing(const Composition& composition) {
  std::string text = composition.order.connector + ": " + composition.model_type + " (" +
                     composition.architecture + ")\n\n";
  std::size_t width = 0;
  for (const ComposedBox& box : composition.boxes) width = std::max(width, box.name.size());
  for (std::size_t i = 0; i < composition.boxes.size(); ++i) {
    const ComposedBox& box = composition.boxes[i];
    const bool last = i + 1 == composition.boxes.size();
    text += "  [" + padded_text(box.name, width) + "]  " + box.what + "\n";
    text += std::string("     ") + (last ? "v" : "|") + "  " + box.passes + "\n";
  }
  const ComposedPicture& picture = composition.picture;
  text += "\na picture: ";
  if (picture.tower_tokens > 0)
    text += shown_count(picture.tower_tokens) + " tokens in the tower, ";
  text += shown_count(picture.states) + " states for the language model, " +
          shown_count(picture.text_tokens) + " places in the text\n";
  for (const ComposedWord& word : composition.words)
    text +=
        "word: " + word.text + " is " + std::to_string(word.id) + " (" + row_told(word.row) + ")\n";
  text +=
      "\nparameters: " + shown_count(composition.parameters()) + "\n" + parts_drawn(composition);
  text += "\nstages\n" + stages_drawn(composition);
  for (const std::string& note : composition.notes) text += "\nnote: " + note;
  return text + (composition.notes.empty() ? "" : "\n");
}

}  // namespace luthier
