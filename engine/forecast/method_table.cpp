// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/forecast/method_table.h"

#include "engine/config/quantization_fields.h"
#include "engine/forecast/trained.h"
#include "engine/methods/method.h"
#include "engine/models/packing.h"

namespace luthier {
namespace {

/// Of the settings, those that this method may have.
Result<std::vector<std::string>> settings_of(const MethodKind& kind,
                                             const std::vector<std::string>& settings) {
  std::vector<std::string> own{std::string("strategy=") + kind.name};
  for (const std::string& setting : settings) {
    const std::string key = setting.substr(0, setting.find('='));
    LUTHIER_TRY(const RecipeField* field, find_field(key, "--set " + key));
    if (field->about.key == "strategy") continue;
    if (names_kind(field->about.strategies, kind.name)) own.push_back(setting);
  }
  return own;
}

Status fill(MethodRow& row, const ModelSummary& model, const Recipe& recipe, std::int64_t element) {
  LUTHIER_TRY(const std::vector<TrainedModule> trained, list_trained(model, recipe));
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  const Json packing = quantization_settings(recipe);
  LUTHIER_TRY(const auto parts, bytes_by_part(model, element, packing));
  for (const auto& [name, bytes] : parts) row.weights += bytes;
  for (const TrainedModule& each : trained) {
    const std::int64_t bytes = each.share.parameters * (each.share.whole ? element : 4);
    row.trained += each.share.parameters;
    row.gradients += bytes;
    if (method->hangs_adapter()) row.adapter += bytes;
  }
  if (method->hangs_adapter()) {
    LUTHIER_TRY(const std::int64_t shared, shared_bytes(model, recipe));
    row.adapter += shared;
  }
  row.moments = optimizer_bytes(trained, recipe, /*element=*/4);
  row.masters = optimizer_bytes(trained, recipe, element) - row.moments;
  row.file = method->hangs_adapter() ? row.adapter : model.parameters * element;
  return {};
}

}  // namespace

Result<MethodTable> method_table(const ModelSummary& model,
                                 const std::vector<std::string>& settings,
                                 const std::string& dtype) {
  MethodTable table;
  table.parameters = model.parameters;
  table.dtype = dtype;
  const std::int64_t element = dtype == "bfloat16" ? 2 : 4;
  for (const MethodKind& kind : method_kinds()) {
    MethodRow row;
    row.method = kind.name;
    LUTHIER_TRY(const std::vector<std::string> own, settings_of(kind, settings));
    LUTHIER_TRY(const Recipe recipe, parse_recipe("", "methods", own));
    table.optimizer = recipe.training.optim;
    if (const Status filled = fill(row, model, recipe, element); !filled) {
      row = {};
      row.method = kind.name;
      row.refused = filled.error();
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Json to_json(const MethodTable& table) {
  Json rows = Json::array();
  for (const MethodRow& row : table.rows) {
    if (row.refused) {
      rows.push_back({{"method", row.method}, {"refused", row.refused->sentence()}});
      continue;
    }
    rows.push_back({{"method", row.method},
                    {"trained", row.trained},
                    {"weights", row.weights},
                    {"adapter", row.adapter},
                    {"gradients", row.gradients},
                    {"moments", row.moments},
                    {"masters", row.masters},
                    {"total", row.total()},
                    {"file", row.file}});
  }
  return {{"parameters", table.parameters},
          {"optimizer", table.optimizer},
          {"dtype", table.dtype},
          {"methods", rows}};
}

}  // namespace luthier
