// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/carried_settings.h"

#include <algorithm>

#include "engine/config/chosen_field.h"
#include "engine/config/kinds.h"

namespace luthier::handover {

namespace {

struct SettingRow {
  const char* beginning;  ///< of dotted paths; the longest that fits decides
  Treatment treatment;
};

using enum Treatment;

constexpr SettingRow kSettings[] = {
    {"model", Written},
    {"init", Refused},
    {"dataset", Written},
    {"eval_dataset", Written},
    {"image_folder", Written},
    {"output_dir", Nothing},
    {"objective", Written},
    {"strategy", Written},
    {"ref_model", Written},
    {"freeze.", Written},
    {"adapter.", Written},
    {"image.", Written},
    {"film.", Nothing},  // rows with films are refused
    {"quantization.", Written},
    {"mixture.", Written},
    {"replay.", Written},
    {"curriculum.", Written},
    {"samples.", Watched},
    {"forgetting.", Watched},
    {"training.", Written},
    {"training.device", Written},
    {"training.vision_tower_learning_rate", Refused},
    {"training.projector_learning_rate", Refused},
    {"training.language_model_learning_rate", Refused},
    {"training.adapter_learning_rate", Refused},
    {"training.loraplus_lr_", Refused},
    {"training.muon_", Refused},
    {"training.save_minutes", Watched},
    {"training.on_low_memory", Nothing},
    {"freeze.unfreeze_steps", Refused},
    {"sft.", Keyword},
    {"dpo.", Keyword},
    {"dpo.precompute_ref_log_probs", Nothing},  // a reference that stands says the same each time
    {"dpo.reference_free", Refused},
    {"kto.", Keyword},
    {"reward.", Keyword},
};

/// The recipe of a table's defaults for these kinds.
Recipe defaults_of(const Recipe& recipe) {
  Recipe plain;
  plain.strategy = recipe.strategy;
  plain.objective = recipe.objective;
  plain.training.optim = recipe.training.optim;
  apply_kind_defaults(plain, chosen_kinds(recipe));
  return plain;
}

/// Two programs never draw the same masks.
bool is_dropout(const std::string& key) { return key.ends_with("dropout"); }

Error no_counterpart(const std::string& key) {
  return input_error(
      "This setting has no counterpart in TRL's trainers, and without it the run "
      "would be another one.",
      key, "Take it out of the recipe before it is handed over.");
}

/// A keyword's value: lists of numbers are kept as text in a recipe.
std::string keyword_text(const RecipeField& field, const Json& value) {
  if (!field.numbers || !value.is_array()) return python_literal(value);
  Json numbers = Json::array();
  for (const Json& each : value) numbers.push_back(std::stod(each.get<std::string>()));
  return python_literal(numbers);
}

std::string leaf_of(const std::string& key) { return key.substr(key.rfind('.') + 1); }

}  // namespace

Treatment treatment_of(const std::string& key) {
  const SettingRow* best = nullptr;
  for (const SettingRow& row : kSettings) {
    const std::string_view beginning = row.beginning;
    if (!key.starts_with(beginning)) continue;
    if (!best || beginning.size() > std::string_view(best->beginning).size()) best = &row;
  }
  return best ? best->treatment : Unknown;
}

Json setting_value(const Recipe& recipe, const std::string& key) {
  return exact_field(key)->read(recipe);
}

Result<CarriedSettings> carried_settings(const Recipe& recipe, const TrlTrainer& trainer) {
  CarriedSettings carried;
  const Recipe plain = defaults_of(recipe);
  std::string watched, drawn;
  for (const RecipeField& field : recipe_field_table()) {
    const std::string& key = field.about.key;
    if (!applies(field.about, recipe)) continue;
    const Json value = field.read(recipe);
    const bool changed = value != field.read(plain);
    switch (treatment_of(key)) {
      case Refused:
        if (changed) return no_counterpart(key);
        break;
      case Watched:
        if (changed) watched += (watched.empty() ? "" : ", ") + key;
        break;
      case Keyword:
        if (changed || !field.about.advanced)
          carried.keywords.emplace_back(leaf_of(key), keyword_text(field, value));
        break;
      case Unknown: return no_counterpart(key);
      case Written:
      case Nothing: break;
    }
    const bool drops = is_dropout(key) && value.is_number() && value.get<double>() > 0;
    if (drops) drawn = key;
  }
  if (!watched.empty())
    carried.notes.push_back(
        "Not carried over, since nothing there does it; the run's steps do not "
        "depend on it: " +
        watched + ".");
  if (!drawn.empty() && !trainer.reference)
    carried.notes.push_back(drawn +
                            " is above 0, and each program draws masks of its own: losses are "
                            "equal step by step only where it is 0.");
  return carried;
}

}  // namespace luthier::handover
