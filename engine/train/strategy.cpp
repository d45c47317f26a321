// SPDX-License-Identifier: GPL-3.0-or-later
// Requires-grad flags, adapter creation and the decay rule's inputs.
#include "engine/train/strategy.h"

#include <algorithm>
#include <set>

#include "engine/methods/adapter_tensors.h"
#include "engine/methods/method.h"
#include "engine/models/wider_weights.h"
#include "engine/nn/parameters.h"
#include "engine/optim/decay_rule.h"

namespace luthier {
namespace {

/// Full names of the modules that are LayerNorms.
std::set<std::string> layer_norms(const Model& model) {
  std::set<std::string> names;
  for (const auto& item : model.named_modules()) {
    const auto* module = dynamic_cast<const ParameterModule*>(item.value().get());
    if (module && module->type_name() == "LayerNorm") names.insert(item.key());
  }
  return names;
}

/// A trained tensor's name as the model has it.
std::string in_model(const std::string& name) {
  return name.starts_with(kPeftPrefix) ? name.substr(kPeftPrefix.size()) : name;
}

bool in_layer_norm(const std::string& name, const std::set<std::string>& norms) {
  for (std::size_t dot = name.rfind('.'); dot != std::string::npos && dot > 0;
       dot = name.rfind('.', dot - 1)) {
    if (norms.contains(name.substr(0, dot))) return true;
  }
  return false;
}

/// Masters of the base's own tensors begin as the checkpoint has them, or as they were drawn, not
/// as bfloat16 rounds them.
Status add_masters(const LoadedModel& base, std::vector<TrainedTensor>& tensors) {
  std::vector<std::string> names;
  for (const TrainedTensor& trained : tensors) names.push_back(trained.name);
  LUTHIER_TRY(const auto wider, wider_weights(base, names));
  for (TrainedTensor& trained : tensors) {
    if (const auto found = wider.find(trained.name); found != wider.end())
      trained.master = found->second;
  }
  return {};
}

}  // namespace

std::int64_t Trainables::parameters() const {
  std::int64_t count = 0;
  for (const TrainedTensor& trained : tensors) count += trained.tensor.numel();
  return count;
}

std::int64_t Trainables::bytes() const {
  std::int64_t total = 0;
  for (const TrainedTensor& trained : tensors)
    total += static_cast<std::int64_t>(trained.tensor.nbytes());
  return total;
}

Result<Trainables> apply_strategy(LoadedModel& base, const Recipe& recipe,
                                  const std::optional<std::filesystem::path>& adapter_folder) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  Trainables trainables;
  for (torch::Tensor& tensor : base.model->parameters()) {
    tensor.requires_grad_(false);
    tensor.mutable_grad().reset();
  }
  const std::set<std::string> norms = layer_norms(*base.model);
  const auto add = [&](const std::string& name, torch::Tensor tensor, const std::string& part) {
    tensor.requires_grad_(true);
    trainables.tensors.push_back(
        {name, part, tensor, decays(name, in_layer_norm(in_model(name), norms))});
  };
  if (method->hangs_adapter()) {
    if (adapter_folder) {
      LUTHIER_TRY(trainables.adapter, load_adapter(base, *adapter_folder));
    } else if (!recipe.adapter.init_from.empty()) {
      LUTHIER_TRY(trainables.adapter, load_adapter(base, recipe.adapter.init_from));
    } else {
      LUTHIER_TRY(trainables.adapter,
                  create_adapter(base, recipe.strategy, recipe.adapter,
                                 static_cast<std::uint64_t>(recipe.training.seed)));
    }
    LUTHIER_CHECK(trainables.adapter->check_trainable());
    trainables.adapter->activate();
    for (const auto& [name, tensor] : trainables.adapter->tensors())
      add(name, tensor, base.model->part_of(in_model(name)));
  } else {
    if (!base.quantization.is_null()) {
      return input_error("The base's weights are packed, so they cannot train themselves.",
                         "strategy", "Train an adapter over them (strategy: lora).");
    }
    for (const auto& item : base.model->named_parameters()) {
      const std::string part = base.model->part_of(item.key());
      if (method->part_trains(part, recipe)) add(item.key(), item.value(), part);
    }
    LUTHIER_CHECK(add_masters(base, trainables.tensors));
  }
  if (trainables.tensors.empty()) {
    return input_error("Nothing would train.",
                       method->hangs_adapter() ? "adapter.target_modules" : "freeze",
                       "Leave at least one part unfrozen.");
  }
  std::sort(trainables.tensors.begin(), trainables.tensors.end(),
            [](const TrainedTensor& a, const TrainedTensor& b) { return a.name < b.name; });
  trainables.tower_fixed =
      base.model->picture_tower() &&
      std::none_of(trainables.tensors.begin(), trainables.tensors.end(),
                   [](const TrainedTensor& trained) { return trained.part == "vision_tower"; });
  return trainables;
}

}  // namespace luthier
