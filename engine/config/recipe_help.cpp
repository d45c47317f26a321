// SPDX-License-Identifier: GPL-3.0-or-later
// Lines for each field: key and default, what it may hold, the help sentence wrapped under it; then
// what kinds have otherwise.
#include "engine/config/recipe_help.h"

#include <algorithm>
#include <utility>

#include "engine/config/chosen_field.h"
#include "engine/config/field_notes.h"
#include "engine/config/kinds.h"

namespace luthier {
namespace {

std::string values_of(const FieldDescription& about) {
  std::string text;
  for (const std::string& choice : about.choices) text += (text.empty() ? "" : " | ") + choice;
  if (about.minimum && *about.minimum > -1e9)
    text += (about.exclusive_minimum ? "above " : "from ") + yaml_number(*about.minimum);
  if (about.maximum && *about.maximum <= 100)
    text += (text.empty() ? "" : " ") + std::string(about.exclusive_maximum ? "below " : "to ") +
            yaml_number(*about.maximum);
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

/// As each kind that has it otherwise takes it.
std::string otherwise_of(const RecipeField& field, std::size_t width) {
  std::string text;
  for (const RecipeField& other : fields_otherwise()) {
    const FieldDescription& about = other.about;
    if (about.key != field.about.key) continue;
    std::string line;
    for (const auto* kinds : {&about.strategies, &about.objectives, &about.optimizers})
      for (const std::string& kind : *kinds) line += kind;
    line += ": ";
    if (const std::string values = values_of(about); values != values_of(field.about))
      line += "(" + values + ") ";
    text += wrapped(line + about.help, "        ", width);
  }
  return text;
}

/// Defaults that kinds have of their own: "1.0e-5 (full, freeze)".
std::string defaults_of(const RecipeField& field, std::size_t width) {
  const ChosenKinds usual = chosen_kinds(Recipe());
  std::vector<std::pair<std::string, std::string>> by_value;
  const auto add = [&](const ChosenKinds& kinds, const char* name) {
    Recipe recipe, as_usual;
    apply_kind_defaults(recipe, kinds);
    apply_kind_defaults(as_usual, usual);
    if (!applies(field.about, recipe) || field.read(recipe) == field.read(as_usual)) return;
    const std::string value = value_to_text(field.about, field.read(recipe));
    const auto same = std::find_if(by_value.begin(), by_value.end(),
                                   [&](const auto& each) { return each.first == value; });
    if (same == by_value.end())
      by_value.emplace_back(value, name);
    else
      same->second.append(", ").append(name);
  };
  for (const MethodKind& kind : method_kinds())
    add({kind.name, usual.objective, usual.optimizer}, kind.name);
  for (const ObjectiveKind& kind : objective_kinds())
    add({usual.strategy, kind.name, usual.optimizer}, kind.name);
  for (const OptimizerKind& kind : optimizer_kinds())
    add({usual.strategy, usual.objective, kind.name}, kind.name);
  std::string text;
  for (const auto& [value, kinds] : by_value)
    text += (text.empty() ? "Default: " : "; ") + value + " (" + kinds + ")";
  return text.empty() ? text : wrapped(text + ".", "      ", width);
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
    if (const FieldNote note = field_note(field.about.key); note.usual && note.cost)
      text += wrapped(std::string(note.usual) + ' ' + note.cost, "      ", width);
    for (std::size_t i = 0; i < field.about.choice_help.size(); ++i)
      text +=
          wrapped(field.about.choices[i] + ": " + field.about.choice_help[i], "        ", width);
    text += owners_of(field.about, width);
    text += otherwise_of(field, width);
    text += defaults_of(field, width);
  }
  return text;
}

}  // namespace luthier
