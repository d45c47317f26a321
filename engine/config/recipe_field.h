// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of the config room: a field's description together with how it is read from and written
// into a Recipe. Values travel as JSON in one canonical form a type (check_value makes it), so
// YAML, --set, forms and recipe.yaml share one set of rules.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/io/json.h"

namespace luthier {

struct RecipeField {
  FieldDescription about;
  std::function<Json(const Recipe&)> read;
  std::function<void(Recipe&, const Json&)> write;  ///< takes what check_value returned
  std::vector<std::string>
      not_built;       ///< values that exist elsewhere (PEFT, transformers) and are refused by name
  bool older = false;  ///< recipes of before kinds had settings carry it under every method
  bool sectioned = false;      ///< its name without the section is another setting's that ends so
  bool whole_numbers = false;  ///< Pattern: its values are integers
  bool numbers = false;        ///< NameList: its entries are numbers, kept as text
};

/// All fields, in the order of the specification.
const std::vector<RecipeField>& recipe_field_table();

/// The first part of a dotted path: "training" of "training.seed"; empty where there is one part
/// alone.
std::string section_of(const std::string& key);

/// The field of a dotted path, or of a bare leaf name that only one field has. The Error names the
/// nearest known key.
Result<const RecipeField*> find_field(const std::string& key, const std::string& where);

/// The field of exactly this dotted path; null: there is none.
const RecipeField* exact_field(const std::string& key);

/// Whether a setting of these kinds (of one list of its description) is one of the chosen kind; no
/// kinds: of any.
bool names_kind(const std::vector<std::string>& kinds, const std::string& chosen);

/// Type, range and choice of a value as a file gives it; the value in canonical form. `where` names
/// file and field.
Result<Json> check_value(const RecipeField& field, const Json& value, const std::string& where);

/// A value as a form or --set gives it: text, lists and maps in YAML's flow form.
Result<Json> value_from_text(const RecipeField& field, const std::string& text,
                             const std::string& where);

/// The text that value_from_text reads back as the same value.
std::string value_to_text(const FieldDescription& about, const Json& value);

/// A number that reads back to the bit, as YAML 1.1 and 1.2 readers take it: 0.03, 32, 2.0e-4.
std::string yaml_number(double value);

/// A scalar as YAML: plain where that is unambiguous, else double-quoted.
std::string yaml_text(const std::string& text);

/// The recipe's kinds chosen, with the defaults that depend on them: those of the optimizer, then
/// the objective's, then the method's.
struct ChosenKinds {
  std::string strategy, objective, optimizer;
  bool operator==(const ChosenKinds&) const = default;
};
void apply_kind_defaults(Recipe& recipe, const ChosenKinds& kinds);

/// What a file's or PEFT's JSON says of modules, and back.
ModuleSelector selector_from_json(const Json& value);
Json selector_to_json(const ModuleSelector& selector);

/// Keys of the schema that are kept for later versions ("stages").
bool is_reserved_key(const std::string& key);

}  // namespace luthier
