// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/wanted_gradients.h"

#include <map>

#include "engine/models/open_weights.h"
#include "engine/models/stored_tensor.h"
#include "engine/nn/parameters.h"

namespace luthier::cli {

Result<WantedGradients> WantedGradients::find(const LoadedModel& loaded, const Adapter* adapter,
                                              const std::vector<std::string>& names) {
  WantedGradients found;
  found.family_ = loaded.family;
  const auto parameters = loaded.model->named_parameters();
  for (const std::string& name : names) {
    if (name == "adapter" && adapter) {
      LUTHIER_CHECK(adapter->check_trainable());
      for (const auto& [key, tensor] : adapter->tensors()) found.wanted_.push_back({key, tensor});
      continue;
    }
    if (name == "all") {
      LUTHIER_CHECK(found.take_all(loaded));
      continue;
    }
    const torch::Tensor* one = parameters.find(loaded.family->memory_name(name));
    if (!one) one = parameters.find(name);
    if (!one)
      return input_error("The checkpoint has no tensor " + name + ".", "--grad",
                         "`luthier-cli info MODEL` lists the modules.");
    found.wanted_.push_back({name, *one});
  }
  for (const Wanted& each : found.wanted_) each.parameter.set_requires_grad(true);
  return found;
}

/// By the names that this folder's files have.
Status WantedGradients::take_all(const LoadedModel& loaded) {
  LUTHIER_TRY(const CheckpointFiles files,
              open_weights(loaded.folder, loaded.config, *loaded.family, *loaded.model));
  std::map<std::string, std::string> names;
  for (const auto& [stored, info] : files.tensors())
    names[loaded.family->memory_name(stored)] = stored;
  const auto fixed = fixed_values(*loaded.model);
  for (const auto& item : loaded.model->named_parameters()) {
    if (!item.value().is_floating_point() || fixed.contains(item.key())) continue;
    const auto stored = names.find(item.key());
    wanted_.push_back(
        {stored != names.end() ? stored->second : loaded.family->stored_name(item.key()),
         item.value(), false});
  }
  return {};
}

void WantedGradients::add_to(std::vector<std::pair<std::string, torch::Tensor>>& results) const {
  for (const Wanted& each : wanted_) {
    const torch::Tensor gradient = each.parameter.grad();
    if (!gradient.defined() && !each.named) continue;
    const torch::Tensor known = gradient.defined()
                                    ? gradient.to(torch::kFloat32)
                                    : torch::zeros(each.parameter.sizes(), torch::kFloat32);
    results.emplace_back("grad." + each.asked, as_stored(*family_, each.asked, known));
  }
}

}  // namespace luthier::cli
