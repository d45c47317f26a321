// SPDX-License-Identifier: GPL-3.0-or-later
// Requires-grad flags, adapter creation and the decay rule's inputs.
#include "engine/train/strategy.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/methods/adapter_tensors.h"
#include "engine/methods/method.h"
#include "engine/models/packing.h"
#include "engine/models/score_head.h"
#include "engine/models/shared_tables.h"
#include "engine/models/stored_head.h"
#include "engine/models/wider_weights.h"
#include "engine/nn/convolutions/batch_norm.h"
#include "engine/nn/parameters.h"
#include "engine/objectives/companion.h"
#include "engine/optim/decay_rule.h"
#include "engine/optim/rates.h"

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

/// What each tensor that a module holds is to an optimizer, by its full name.
std::map<std::string, TensorUse> tensor_uses(Model& model) {
  std::map<std::string, TensorUse> uses;
  const Linear head = model.output_head();
  for (const auto& item : model.named_modules()) {
    const auto* module = dynamic_cast<const ParameterModule*>(item.value().get());
    if (!module) continue;
    const std::string type = module->type_name();
    const bool is_head = (head && head.get() == module) || item.key() == kScoreHead;
    for (const auto& [slot, tensor] : module->slots()) {
      TensorUse& use = uses[item.key().empty() ? slot : item.key() + "." + slot];
      if (slot != "weight") continue;
      if (type == "Embedding") use = TensorUse::Embedding;
      if (type == "Linear" && !is_head) use = TensorUse::Matrix;
    }
  }
  return uses;
}

/// Full names of the tensors that are stored and never train.
std::set<std::string> fixed_tensors(const Model& model) {
  std::set<std::string> names;
  for (const auto& item : model.named_modules()) {
    const auto* module = dynamic_cast<const ParameterModule*>(item.value().get());
    if (!module) continue;
    for (const auto& [slot, tensor] : module->slots())
      if (!module->learns(slot)) names.insert(item.key().empty() ? slot : item.key() + "." + slot);
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

std::vector<std::pair<std::string, torch::Tensor>> Trainables::named() const {
  std::vector<std::pair<std::string, torch::Tensor>> all;
  const std::string others = companion ? companion->plan.prefix() : std::string();
  for (const TrainedTensor& trained : tensors)
    if (!companion || !trained.name.starts_with(others))
      all.emplace_back(trained.name, trained.tensor);
  return all;
}

std::vector<std::pair<std::string, torch::Tensor>> Trainables::named_of_companion() const {
  std::vector<std::pair<std::string, torch::Tensor>> all;
  if (!companion) return all;
  const std::string own = companion->plan.prefix();
  for (const TrainedTensor& trained : tensors)
    if (trained.name.starts_with(own))
      all.emplace_back(trained.name.substr(own.size()), trained.tensor);
  return all;
}

void Trainables::set_training(bool training, std::uint64_t seed) const {
  set_batch_statistics(training);
  if (adapter) adapter->set_training(training, seed);
  if (companion && companion->adapter) companion->adapter->set_training(training, seed);
}

std::int64_t Trainables::parameters() const {
  std::int64_t count = 0;
  for (const TrainedTensor& trained : tensors) count += trained.tensor.numel();
  return count;
}

std::int64_t Trainables::adapter_bytes() const {
  std::int64_t total = 0;
  const auto add = [&total](const std::vector<std::pair<std::string, torch::Tensor>>& all) {
    for (const auto& [name, tensor] : all) total += static_cast<std::int64_t>(tensor.nbytes());
  };
  if (adapter) add(named());
  if (companion && companion->adapter) add(named_of_companion());
  return total;
}

std::int64_t weight_bytes(const LoadedModel& base, const Trainables& trainables) {
  const Companion* companion = trainables.companion.get();
  if (!companion) return weight_bytes(*base.model);
  return weight_bytes(*base.model) + weight_bytes(*companion->base.model) -
         bytes_in_common(*base.model, *companion->base.model);
}

std::int64_t parameter_count(const LoadedModel& base, const Trainables& trainables) {
  const Companion* companion = trainables.companion.get();
  if (!companion) return parameter_count(*base.model);
  std::int64_t count = parameter_count(*base.model) + parameter_count(*companion->base.model);
  const auto named = base.model->named_parameters();
  for (const auto& [name, of_base] : tensors_in_common(*base.model, *companion->base.model))
    count -= named[of_base].numel();
  return count;
}

void Trainables::begin_step(std::int64_t step) const {
  for (const TrainedTensor& trained : tensors) {
    if (trained.from_step > 0)
      torch::Tensor(trained.tensor).requires_grad_(step >= trained.from_step);
  }
}

bool Trainables::gradual() const {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const TrainedTensor& trained) { return trained.from_step > 0; });
}

Result<Trainables> apply_strategy(LoadedModel& base, const Recipe& recipe,
                                  const std::optional<std::filesystem::path>& adapter_folder,
                                  std::shared_ptr<Adapter> made) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  Trainables trainables;
  for (torch::Tensor& tensor : base.model->parameters()) {
    tensor.requires_grad_(false);
    tensor.mutable_grad().reset();
  }
  const std::set<std::string> norms = layer_norms(*base.model);
  const std::map<std::string, TensorUse> uses = tensor_uses(*base.model);
  std::vector<bool> within_norms;  // in the tensors' order
  const auto add = [&](const std::string& name, torch::Tensor tensor, const std::string& part) {
    tensor.requires_grad_(true);
    within_norms.push_back(in_layer_norm(in_model(name), norms));
    TrainedTensor trained{name, part, tensor, decays(name, within_norms.back())};
    const auto own = uses.find(in_model(name));
    if (own != uses.end()) trained.use = own->second;
    trained.plug = method->hangs_adapter() && own == uses.end();
    trainables.tensors.push_back(std::move(trained));
  };
  if (method->hangs_adapter()) {
    if (adapter_folder) {
      LUTHIER_TRY(trainables.adapter, load_adapter(base, *adapter_folder));
    } else if (!recipe.adapter.init_from.empty()) {
      LUTHIER_TRY(trainables.adapter, load_adapter(base, recipe.adapter.init_from));
    } else if (made) {
      trainables.adapter = std::move(made);
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
    const std::set<std::string> fixed = fixed_tensors(*base.model);
    std::vector<NamedPart> all;
    std::vector<torch::Tensor> parameters;
    // Where numbers of a state are learned, nothing asks for its logits.
    const std::string logits = score_head(*base.model) ? head_name(*base.model) + "." : "";
    for (const auto& item : base.model->named_parameters()) {
      if (fixed.contains(item.key())) continue;
      if (!logits.empty() && item.key().starts_with(logits)) continue;
      all.push_back({item.key(), base.model->part_of(item.key())});
      parameters.push_back(item.value());
    }
    LUTHIER_TRY(const FirstSteps steps, find_first_steps(*method, all, recipe));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::int64_t first = is_of_score_head(all[i].name) ? 0 : steps[i];
      if (first == kNeverTrains) continue;
      add(all[i].name, parameters[i], all[i].part);
      trainables.tensors.back().from_step = first;
    }
    LUTHIER_CHECK(add_masters(base, trainables.tensors));
  }
  trainables.statistics = moving_statistics(*base.model);
  if (trainables.tensors.empty()) {
    return input_error("Nothing would train.",
                       method->hangs_adapter() ? "adapter.target_modules" : "freeze",
                       "Leave at least one part unfrozen.");
  }
  give_rates(trainables.tensors, recipe, within_norms);
  std::sort(trainables.tensors.begin(), trainables.tensors.end(),
            [](const TrainedTensor& a, const TrainedTensor& b) { return a.name < b.name; });
  trainables.tower_fixed =
      base.model->picture_tower() &&
      std::none_of(trainables.tensors.begin(), trainables.tensors.end(),
                   [](const TrainedTensor& trained) { return trained.part == "vision_tower"; });
  trainables.begin_step(0);
  return trainables;
}

}  // namespace luthier
