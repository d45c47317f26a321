// SPDX-License-Identifier: GPL-3.0-or-later
// Lines for each field: key and default, what it may hold, the help sentence wrapped under it.
#include "engine/config/recipe_help.h"

#include <algorithm>

#include "engine/config/recipe_field.h"

namespace luthier {
namespace {

std::string values_of(const FieldDescription& about) {
  std::string text;
  for (const std::string& choice : about.choices) text += (text.empty() ? "" : " | ") + choice;
  if (about.minimum && *about.minimum > -1e9)
    text += (about.exclusive_minimum ? "above " : "from ") + number_text(*about.minimum);
  if (about.maximum && *about.maximum <= 100)
    text += (text.empty() ? "" : " ") + std::string(about.exclusive_maximum ? "below " : "to ") +
            number_text(*about.maximum);
  if (!about.unit.empty()) text += (text.empty() ? "" : ", ") + about.unit;
  return text;
}

/// Words into lines of at most `width`, each indented.
std::string wrapped(const std::string& text, const std::string& indent, std::size_t width) {
  std::string out, line = indent;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (line.size() > indent.size() && line.size() + 1 + word.size() > width) {
      out += line + "\n";
      line = indent;
    }
    line += (line.size() > indent.size() ? " " : "") + word;
    begin = end + 1;
  }
  return out + line + "\n";
}

/// The kinds that have a setting, where not every recipe has it.
std::string owners_of(const FieldDescription& about, std::size_t width) {
  std::string text;
  for (const auto* kinds : {&about.strategies, &about.objectives, &about.optimizers}) {
    for (const std::string& kind : *kinds) text += (text.empty() ? "" : ", ") + kind;
  }
  return text.empty() ? text : wrapped("Of: " + text + ".", "      ", width);
}

}  // namespace

std::string recipe_help(std::size_t width) {
  std::string text = "Settings of a recipe (KEY: default):\n";
  for (const RecipeField& field : recipe_field_table()) {
    const std::string values = values_of(field.about);
    const std::string fallback = value_to_text(field.about, field.read(Recipe{}));
    text += "  " + field.about.key + ": " + (fallback.empty() ? "none" : fallback) +
            (values.empty() ? "" : "   (" + values + ")") + "\n";
    text += wrapped(field.about.help, "      ", width);
    for (std::size_t i = 0; i < field.about.choice_help.size(); ++i)
      text +=
          wrapped(field.about.choices[i] + ": " + field.about.choice_help[i], "        ", width);
    text += owners_of(field.about, width);
  }
  return text;
}

}  // namespace luthier
