// SPDX-License-Identifier: GPL-3.0-or-later
// A group stands where its first setting stands in the engine's table.
#include "ui/train/form_order.h"

#include <algorithm>

namespace luthier {

namespace {

/// What is looked at while a run goes on: with the training's settings, wherever they stand.
bool is_watched(const FieldDescription& field) {
  return field.key.starts_with("samples.") || field.key.starts_with("forgetting.");
}

}  // namespace

std::string form_group(const FieldDescription& field) {
  if (field.key == "objective" || !field.objectives.empty()) return "Objective";
  if (field.key == "strategy" || !field.strategies.empty()) return "Method";
  if (field.key.starts_with("training.")) return "Training";
  if (is_watched(field)) return "Training";
  if (field.key.starts_with("image.")) return "Pictures";
  if (field.key.starts_with("film.")) return "Films";
  for (const char* section : {"mixture.", "replay.", "curriculum."})
    if (field.key.starts_with(section)) return "Model and data";
  const auto dot = field.key.find('.');
  return dot == std::string::npos ? "Model and data" : field.key.substr(0, dot);
}

const std::vector<FieldDescription>& form_fields() {
  static const std::vector<FieldDescription> fields = [] {
    std::vector<std::string> groups;
    for (const FieldDescription& field : recipe_fields())
      if (!is_watched(field) &&
          std::find(groups.begin(), groups.end(), form_group(field)) == groups.end())
        groups.push_back(form_group(field));
    std::vector<FieldDescription> all;
    for (const std::string& group : groups)
      for (const FieldDescription& field : recipe_fields())
        if (form_group(field) == group) all.push_back(field);
    return all;
  }();
  return fields;
}

}  // namespace luthier
