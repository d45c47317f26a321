// SPDX-License-Identifier: GPL-3.0-or-later
// The kinds' settings on their way into the one table of fields.
#pragma once

#include <string>
#include <vector>

#include "engine/config/kinds.h"

namespace luthier {

/// Kinds of one list, whichever it is.
template <class K>
std::vector<const Kind*> list_of(const std::vector<K>& kinds) {
  std::vector<const Kind*> list;
  for (const K& kind : kinds) list.push_back(&kind);
  return list;
}

/// Behind the last field of its section; a section of its own stands before the pictures' settings.
void add_field(std::vector<RecipeField>& table, const RecipeField& field);

/// The kinds' own settings into the table, and into each setting's description (its `names`) the
/// kinds that have it. What a kind has otherwise than the row goes to `otherwise`.
void add_kinds(std::vector<RecipeField>& table, std::vector<RecipeField>& otherwise,
               const std::vector<const Kind*>& kinds,
               std::vector<std::string> FieldDescription::*names);

}  // namespace luthier
