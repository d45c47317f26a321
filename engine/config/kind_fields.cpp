// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/kind_fields.h"

#include <algorithm>

namespace luthier {
namespace {

RecipeField* row_of(std::vector<RecipeField>& table, const std::string& key) {
  const auto is = [&](const RecipeField& field) { return field.about.key == key; };
  const auto found = std::find_if(table.begin(), table.end(), is);
  return found == table.end() ? nullptr : &*found;
}

/// Whether a kind's field takes what the row's does and is explained by the same words.
bool is_as(const FieldDescription& row, const FieldDescription& own) {
  return own.help == row.help && own.choices == row.choices && own.minimum == row.minimum &&
         own.maximum == row.maximum && own.exclusive_minimum == row.exclusive_minimum &&
         own.exclusive_maximum == row.exclusive_maximum && own.nullable == row.nullable;
}

}  // namespace

void add_field(std::vector<RecipeField>& table, const RecipeField& field) {
  std::size_t place = table.size();
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].about.key == "image.min_pixels") place = i;
  }
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (section_of(table[i].about.key) == section_of(field.about.key)) place = i + 1;
  }
  table.insert(table.begin() + static_cast<std::ptrdiff_t>(place), field);
}

void add_kinds(std::vector<RecipeField>& table, std::vector<RecipeField>& otherwise,
               const std::vector<const Kind*>& kinds,
               std::vector<std::string> FieldDescription::*names) {
  for (const Kind* kind : kinds) {
    for (const RecipeField& field : kind->fields) {
      RecipeField* row = row_of(table, field.about.key);
      if (!row) {
        add_field(table, field);
      } else if (!is_as(row->about, field.about)) {
        otherwise.push_back(field);
        otherwise.back().about.*names = {kind->name};
      }
    }
  }
  for (const Kind* kind : kinds) {
    std::vector<std::string> keys = kind->shares;
    for (const RecipeField& field : kind->fields) keys.push_back(field.about.key);
    for (const std::string& key : keys)
      if (RecipeField* row = row_of(table, key)) (row->about.*names).push_back(kind->name);
  }
}

}  // namespace luthier
