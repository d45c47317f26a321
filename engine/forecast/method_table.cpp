// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/forecast/method_table.h"

#include <optional>

#include "engine/config/quantization_fields.h"
#include "engine/forecast/trained.h"
#include "engine/methods/conv1d_check.h"
#include "engine/methods/method.h"
#include "engine/models/packing.h"

namespace luthier {
namespace {

constexpr const char* kFourBits = "quantization.load_in_4bit";
constexpr const char* kEightBits = "quantization.load_in_8bit";

/// Whether the adapter's file holds what all plugs have together, as VeRA's may.
bool shares_in_file(const Method& method, const Recipe& recipe) {
  const SharedTensors* shared = method.of_modules ? method.of_modules->shared : nullptr;
  return shared && shared->in_file(recipe.adapter);
}

/// Bytes of a number in the checkpoint that a run leaves: the base's own type. A shape alone has
/// none.
std::int64_t stored_element(const ModelSummary& model, std::int64_t element) {
  if (model.files.empty()) return element;
  return model.dtype == "F16" || model.dtype == "BF16" ? 2 : 4;
}

Status fill(MethodRow& row, const ModelSummary& given, const Recipe& recipe, std::int64_t element) {
  LUTHIER_TRY(const std::optional<ModelSummary> scored, with_score_head(given, recipe));
  const ModelSummary& model = scored ? *scored : given;
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (method->kind.check) LUTHIER_CHECK(method->kind.check(recipe));
  LUTHIER_CHECK(check_quantization(recipe));
  LUTHIER_TRY(const std::vector<TrainedModule> trained, list_trained(model, recipe));
  const Json packing = quantization_settings(recipe);
  if (!packing.is_null())
    for (const ModuleSummary& module : model.modules)
      if (module.type == "Linear" && is_conv1d_of(model.model_type, module.name))
        return conv1d_not_packed(module.name, kFourBits);
  LUTHIER_TRY(const auto parts, bytes_by_part(model, element, packing));
  for (const auto& [name, bytes] : parts) row.weights += bytes;
  for (const TrainedModule& each : trained) {
    const std::int64_t bytes = each.share.parameters * (each.share.whole ? element : 4);
    row.trained += each.share.parameters;
    row.gradients += bytes;
    if (method->hangs_adapter()) row.adapter += bytes;
  }
  row.moments = optimizer_bytes(trained, recipe, /*element=*/4);
  row.masters = optimizer_bytes(trained, recipe, element) - row.moments;
  row.file = model.parameters * stored_element(model, element);
  if (method->hangs_adapter()) {
    LUTHIER_TRY(const std::int64_t shared, shared_bytes(model, recipe));
    row.file = row.adapter + (shares_in_file(*method, recipe) ? shared : 0);
    row.adapter += shared;
  }
  return {};
}

struct GivenSetting {
  const RecipeField* field;
  std::string value;

  bool is_of(const std::string& method) const {
    return field->about.key != "strategy" && names_kind(field->about.strategies, method);
  }
};

Result<GivenSetting> setting_of(const std::string& text) {
  const std::size_t mark = text.find('=');
  if (mark == std::string::npos || mark == 0)
    return input_error("\"" + text + "\" is not KEY=VALUE.", "--set",
                       "Write it as in --set training.max_steps=10.");
  const std::string key = text.substr(0, mark);
  LUTHIER_TRY(const RecipeField* field, find_field(key, "--set " + key));
  return GivenSetting{field, text.substr(mark + 1)};
}

/// Each is a setting that there is, and of those methods that have it one takes the value.
Status check_settings(const Recipe& base, const std::vector<MethodChoice>& choices,
                      const std::vector<std::string>& settings) {
  for (const std::string& text : settings) {
    LUTHIER_TRY(const GivenSetting setting, setting_of(text));
    std::optional<Error> fault;
    bool taken = false;
    for (const MethodChoice& choice : choices) {
      if (!setting.is_of(choice.method)) continue;
      const auto recipe = recipe_of(base, choice, {text});
      taken = taken || recipe.ok();
      if (!recipe && !fault) fault = recipe.error();
    }
    if (fault && !taken) return *fault;
  }
  return {};
}

}  // namespace

std::vector<MethodChoice> method_choices(bool four_bits_beside) {
  std::vector<MethodChoice> choices;
  for (const MethodKind& kind : method_kinds()) {
    const bool both = four_bits_beside && kind.hangs_adapter();
    choices.push_back({kind.name, both ? std::optional(false) : std::nullopt});
    if (both) choices.push_back({kind.name, true});
  }
  return choices;
}

Result<Recipe> recipe_of(const Recipe& base, const MethodChoice& choice,
                         const std::vector<std::string>& settings) {
  Recipe recipe = base;
  LUTHIER_CHECK(set_field(recipe, "strategy", choice.method));
  for (const std::string& text : settings) {
    LUTHIER_TRY(const GivenSetting setting, setting_of(text));
    if (!setting.is_of(choice.method)) continue;
    LUTHIER_CHECK(set_field(recipe, setting.field->about.key, setting.value));
  }
  if (choice.four_bits && method_kind(choice.method).hangs_adapter()) {
    LUTHIER_CHECK(set_field(recipe, kFourBits, *choice.four_bits ? "true" : "false"));
    if (*choice.four_bits) LUTHIER_CHECK(set_field(recipe, kEightBits, "false"));
  }
  return recipe;
}

bool has_four_bits(const Recipe& recipe) {
  return method_kind(recipe.strategy).hangs_adapter() && recipe.more.flag(kFourBits);
}

std::string choice_name(const std::string& method, bool four_bits) {
  return four_bits ? method + "-4bit" : method;
}

Result<MethodTable> method_table(const ModelSummary& model, const Recipe& base,
                                 const std::vector<MethodChoice>& choices,
                                 const std::vector<std::string>& settings,
                                 const std::string& dtype) {
  MethodTable table;
  table.parameters = model.parameters;
  table.dtype = dtype;
  const std::int64_t element = dtype == "bfloat16" ? 2 : 4;
  LUTHIER_CHECK(check_settings(base, choices, settings));
  for (const MethodChoice& choice : choices) {
    const auto recipe = recipe_of(base, choice, settings);
    MethodRow row;
    const Status filled = recipe ? fill(row, model, *recipe, element) : Status(recipe.error());
    if (!filled) {
      row = {};
      row.refused = filled.error();
    }
    row.method = choice.method;
    row.four_bits = recipe ? has_four_bits(*recipe) : choice.four_bits.value_or(false);
    if (recipe) table.optimizer = recipe->training.optim;
    table.rows.push_back(std::move(row));
  }
  return table;
}

Result<MethodTable> method_table(const ModelSummary& model,
                                 const std::vector<std::string>& settings,
                                 const std::string& dtype) {
  LUTHIER_TRY(const Recipe usual, parse_recipe("", "methods"));
  return method_table(model, usual, method_choices(/*four_bits_beside=*/false), settings, dtype);
}

Json to_json(const MethodTable& table) {
  Json rows = Json::array();
  for (const MethodRow& row : table.rows) {
    Json json{{"method", row.method}};
    if (row.four_bits) json["load_in_4bit"] = true;
    if (row.refused) {
      json["refused"] = row.refused->sentence();
    } else {
      json["trained"] = row.trained;
      json["weights"] = row.weights;
      json["adapter"] = row.adapter;
      json["gradients"] = row.gradients;
      json["moments"] = row.moments;
      json["masters"] = row.masters;
      json["total"] = row.total();
      json["file"] = row.file;
    }
    rows.push_back(std::move(json));
  }
  return {{"parameters", table.parameters},
          {"optimizer", table.optimizer},
          {"dtype", table.dtype},
          {"methods", rows}};
}

}  // namespace luthier
