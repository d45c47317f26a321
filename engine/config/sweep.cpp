// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/sweep.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/io/named_place.h"

namespace luthier {

Result<SweptField> parse_swept_field(const std::string& text) {
  const std::size_t equals = text.find('=');
  SweptField field{trimmed(text.substr(0, equals)), {}};
  if (equals != std::string::npos) {
    const std::string values = text.substr(equals + 1);
    const char between = values.find(';') != std::string::npos ? ';' : ',';
    std::string value;
    for (const char letter : values + between) {
      if (letter != between) {
        value += letter;
        continue;
      }
      value = trimmed(value);
      if (!value.empty() &&
          std::find(field.values.begin(), field.values.end(), value) == field.values.end())
        field.values.push_back(value);
      value.clear();
    }
  }
  if (field.key.empty() || field.values.empty())
    return input_error("\"" + text + "\" names no setting with values.", "",
                       "Write it as KEY=VALUE,VALUE: training.learning_rate=1e-4,2e-4.");
  return field;
}

Result<std::vector<SweptRecipe>> sweep_recipes(const Recipe& base,
                                               const std::vector<SweptField>& fields,
                                               std::size_t most) {
  std::size_t count = 1;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k)
      if (fields[k].key == fields[i].key)
        return input_error("This setting is swept twice.", fields[i].key,
                           "Put all its values in one place.");
    if (fields[i].key == "output_dir")
      return input_error("Each run has a folder of its own already.", "output_dir",
                         "Sweep another setting.");
    if (fields[i].values.empty())
      return input_error("This setting has no values to try.", fields[i].key, "Name one or more.");
    count *= fields[i].values.size();
    if (count > most)
      return input_error("These are more than " + std::to_string(most) + " runs.", "",
                         "Try fewer values.");
  }
  std::vector<SweptRecipe> all;
  for (std::size_t run = 0; run < count; ++run) {
    SweptRecipe swept{base, ""};
    std::size_t rest = run;
    std::string label;
    for (std::size_t i = fields.size(); i-- > 0;) {
      const SweptField& field = fields[i];
      const std::string& value = field.values[rest % field.values.size()];
      rest /= field.values.size();
      const std::size_t dot = field.key.rfind('.');
      label = field.key.substr(dot == std::string::npos ? 0 : dot + 1) + " " + value +
              (label.empty() ? "" : ", " + label);
    }
    // In the order given: what a method changes with it comes before the settings of its own.
    rest = run;
    std::vector<std::size_t> chosen(fields.size());
    for (std::size_t i = fields.size(); i-- > 0;) {
      chosen[i] = rest % fields[i].values.size();
      rest /= fields[i].values.size();
    }
    for (std::size_t i = 0; i < fields.size(); ++i)
      LUTHIER_CHECK(set_field(swept.recipe, fields[i].key, fields[i].values[chosen[i]]));
    swept.label = label;
    swept.recipe.output_dir = place_beside(base.output_dir, "-" + std::to_string(run + 1)).string();
    LUTHIER_CHECK(check_recipe(swept.recipe));
    all.push_back(std::move(swept));
  }
  return all;
}

}  // namespace luthier
