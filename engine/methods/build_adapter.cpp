// SPDX-License-Identifier: GPL-3.0-or-later
// A fresh adapter: modules that the settings choose get what the method draws or starts with.
#include "engine/methods/build_adapter.h"

#include <algorithm>
#include <set>

#include "engine/methods/adapter_builder.h"
#include "engine/methods/token_rows.h"
#include "engine/models/sharded_layers.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Pairs on a tied weight would be one pair under two names, which train apart in PEFT.
Status check_tie(const std::optional<Tie>& tie, const ModuleSelection& selection) {
  for (const WrappedModule& wrapped : selection.wrapped) {
    if (!tie || !tie->has(wrapped.name + ".weight")) continue;
    return input_error(wrapped.name +
                           " shares its weight, and a pair on it cannot be one at both "
                           "ends.",
                       "adapter.ensure_weight_tying",
                       "Name it in modules_to_save, or write ensure_weight_tying: false.");
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<Adapter>> build_fresh(const Method& method, LoadedModel& base,
                                             const AdapterSettings& settings, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const ModuleMethod& of_modules = *method.of_modules;
  AdapterBuilder builder(method, base, settings);
  const Ports& ports = builder.ports();
  LUTHIER_TRY(const ModuleSelection selection,
              of_modules.select(ports.modules, ports.head_name, settings));
  for (const auto& [name, linear] : ports.linears) {
    if (is_saved_module(name, settings.modules_to_save))
      LUTHIER_CHECK(check_saved_conv1d(ports, name, "adapter.modules_to_save"));
    if (linear->weight.can_train() || !is_saved_module(name, settings.modules_to_save)) continue;
    return input_error("The weight of " + name + " is packed and cannot be trained whole.",
                       "adapter.modules_to_save",
                       "Name it in quantization.llm_int8_skip_modules too.");
  }
  const std::optional<Tie> tie = tie_to_keep(ports, settings);
  LUTHIER_CHECK(check_tie(tie, selection));
  bool saves_tied = false;
  for (const auto& [name, slot] : ports.slots) {
    if (!is_saved_module(slot.first, settings.modules_to_save)) continue;
    const bool tied = tie && tie->has(name);
    if (tied && saves_tied) continue;
    if (const auto sharded = sharded_of(*base.model)) sharded->bring(name);
    if (tied)
      builder.save_tied(*tie, slot.second->detach().clone());
    else
      builder.save_module(name, slot.second, slot.second->detach().clone());
    saves_tied = saves_tied || tied;
  }
  AdapterTensors none;
  LUTHIER_CHECK(builder.save_score_head(none, ""));
  std::set<std::string> wrapped_modules;
  for (const WrappedModule& wrapped : selection.wrapped) wrapped_modules.insert(wrapped.name);
  const std::set<std::string> biases(selection.biases.begin(), selection.biases.end());
  for (const auto& [name, slot] : ports.slots) {
    if (is_trained_bias(name, settings) && biases.contains(slot.first))
      builder.save_bias(name, slot.second, slot.second->detach().clone(),
                        wrapped_modules.contains(slot.first));
  }
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  // A branch that holds tensors of its own is there twice: as these, and as the branch.
  const auto module_of = [&](const WrappedModule& wrapped) {
    return std::find_if(ports.modules.begin(), ports.modules.end(), [&](const ModelModule& each) {
      return each.name == wrapped.name && can_hang(of_modules.wrapping, each, wrapped.by_parameter);
    });
  };
  if (of_modules.shared) {
    std::vector<const ModelModule*> wrapped;
    for (const WrappedModule& each : selection.wrapped) wrapped.push_back(&*module_of(each));
    builder.share(of_modules.shared->make(wrapped, settings));
  }
  for (const WrappedModule& wrapped : selection.wrapped) {
    const auto module = module_of(wrapped);
    LUTHIER_TRY(const ModuleToHang to, builder.next(*module, wrapped.scale, true));
    const std::vector<TensorSize> sizes = of_modules.sizes(*module, wrapped.scale, settings);
    std::vector<Tensor> tensors;
    for (const TensorSize& size : sizes) {
      tensors.push_back(of_modules.copies ? builder.slot_of(*module, size)->detach()
                                          : torch::zeros(size.shape, torch::kFloat32));
    }
    if (of_modules.draw) of_modules.draw(tensors, to, generator);
    if (of_modules.start) of_modules.start(tensors, to, ports);
    builder.hang(to, sizes, std::move(tensors));
  }
  const std::vector<std::int64_t> ids = row_ids(of_modules, settings);
  if (!ids.empty()) {
    const auto& [embedding, module] = *ports.embeddings.begin();
    LUTHIER_CHECK(builder.hang_rows(embedding, ids, base_token_rows(*module, ids)));
  }
  LUTHIER_CHECK(builder.hang_beside());
  return builder.finish(selection);
}

}  // namespace luthier
