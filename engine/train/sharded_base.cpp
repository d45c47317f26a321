// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/sharded_base.h"

#include <algorithm>

#include "engine/config/kinds/start_rules.h"
#include "engine/config/quantization_fields.h"
#include "engine/methods/method.h"
#include "engine/models/sharded_layers.h"

namespace luthier {

namespace {
constexpr const char* kWithout = "Leave --shard base out.";

/// In-memory names of the base's own tensors that train.
Result<std::set<std::string>> trained_of_base(const Model& model, const Recipe& recipe) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  std::set<std::string> trained;
  if (method->hangs_adapter()) return trained;
  std::vector<NamedPart> all;
  for (const auto& item : model.named_parameters())
    all.push_back({item.key(), model.part_of(item.key())});
  LUTHIER_TRY(const FirstSteps steps, find_first_steps(*method, all, recipe));
  for (std::size_t i = 0; i < all.size(); ++i)
    if (steps[i] != kNeverTrains) trained.insert(all[i].name);
  return trained;
}

}  // namespace

Status can_shard_base(const ModelSummary& model, const Recipe& recipe) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  LUTHIER_TRY(const std::vector<std::string> layers, decoder_layer_names(model.folder));
  if (layers.empty())
    return input_error("A model of " + model.model_type +
                           " has no decoder whose layers ranks could keep parts of.",
                       model.folder.string(), kWithout);
  if (!method->hangs_adapter()) {
    std::vector<NamedPart> all;
    for (const ModuleSummary& module : model.modules)
      all.push_back({module.name + ".weight", module.part});
    LUTHIER_TRY(const FirstSteps steps, find_first_steps(*method, all, recipe));
    bool some = false;
    for (std::size_t i = 0; i < all.size(); ++i) {
      some = some || (steps[i] == kNeverTrains &&
                      std::any_of(layers.begin(), layers.end(), [&](const auto& layer) {
                        return all[i].name.starts_with(layer + ".");
                      }));
    }
    if (!some)
      return input_error("All of the decoder trains, so nothing of it can be sharded.", "strategy",
                         "Train an adapter, or write --shard optimizer.");
  }
  if (!model.quantization.is_null() || !quantization_settings(recipe).is_null())
    return input_error("Packed weights are not sharded.", "quantization",
                       "Leave --shard base out, or load the base as plain numbers.");
  if (recipe.init == "random")
    return input_error("Weights that are drawn are not sharded.", "init", kWithout);
  if (method->hangs_adapter() && packs_base(recipe.adapter.init_lora_weights))
    return input_error("A start that packs the base keeps all of it at each rank.",
                       "adapter.init_lora_weights", "Start otherwise, or leave --shard base out.");
  return {};
}

Result<LoadedModel> load_sharded_base(const Recipe& recipe, const LoadOptions& options,
                                      std::shared_ptr<Ranks> ranks) {
  LUTHIER_TRY(const ModelSummary model, summarize_model(recipe.model));
  LUTHIER_CHECK(can_shard_base(model, recipe));
  const auto trained = [&](const Model& shapes) { return trained_of_base(shapes, recipe); };
  return load_sharded(recipe.model, options, {std::move(ranks), trained});
}

}  // namespace luthier
