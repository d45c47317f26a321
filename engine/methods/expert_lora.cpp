// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/expert_lora.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kFirst = ".gate_up_proj", *kLast = ".down_proj";

/// The module that holds the stack.
std::string holder_of(const std::string& stack) { return stack.substr(0, stack.rfind('.')); }

}  // namespace

ExpertLora::ExpertLora(Tensor first, Tensor second, std::int64_t experts, double scale)
    : a(std::move(first)), b(std::move(second)), experts_(experts), scale_(scale) {}

ExpertPair ExpertLora::pair(torch::ScalarType type) const {
  const std::int64_t rank = a.size(0) / experts_;
  return {a.to(type).view({experts_, rank, a.size(1)}),
          b.to(type).view({b.size(0), rank, experts_}).permute({2, 0, 1}).contiguous(),
          scale_ * strength};
}

void ExpertLora::merge_into(Tensor& stack) const {
  const ExpertPair each = pair(torch::kFloat32);
  for (std::int64_t expert = 0; expert < experts_; ++expert) {
    Tensor weight = stack[expert];
    const Tensor delta = at::mm(each.b[expert], each.a[expert]).mul_(each.scale);
    weight.copy_(weight.to(torch::kFloat32) + delta);
  }
}

std::string expert_root(const ModelModule& stack, const std::vector<std::string>& parameters) {
  const std::string holder = holder_of(stack.name);
  const bool inner = stack.name.ends_with(kFirst) &&
                     is_target_parameter({holder + kLast, ModelModule::kExpertStack}, parameters);
  return inner ? holder + ".base_layer" : holder;
}

std::vector<TensorSize> expert_sizes(const ModelModule& stack, std::int64_t rank) {
  const std::int64_t all = stack.shape.at(0) * rank;
  return {{".lora_A.weight", {all, stack.shape.at(2)}},
          {".lora_B.weight", {stack.shape.at(1), all}}};
}

Status check_by_weight(const ModelModule& module, const AdapterSettings& settings) {
  if (!module.by_weight_alone()) return {};
  const std::string& start = settings.init_lora_weights;
  const auto refused = [&](const char* what, const char* field) {
    return input_error(module.weight_name() + " is reached by its name (target_parameters), and " +
                           what + " does not go with that.",
                       field, "Take it out, or the weight.");
  };
  if (settings.use_dora) return refused("use_dora", "adapter.use_dora");
  if (settings.more.flag("adapter.lora_bias")) return refused("lora_bias", "adapter.lora_bias");
  if (!module.stack() || start == "true" || start == "false" || start == "gaussian") return {};
  return input_error(module.name + " is a stack of experts, which " + start + " has no start for.",
                     "adapter.init_lora_weights", "Start with true, false or gaussian.");
}

Adapter::Hung hang_on_experts(Ports& ports, const ModuleToHang& to,
                              const std::vector<Tensor>& tensors) {
  const std::string& name = to.module.name;
  Experts experts = ports.experts.at(holder_of(name));
  const bool first = name.ends_with(kFirst);
  auto plug =
      std::make_shared<ExpertLora>(tensors[0], tensors[1], to.module.shape.at(0), to.scale.scale);
  Adapter::Hung hung =
      hung_on(first ? experts->gate_up_plug : experts->down_plug, holder_of(name), plug);
  hung.merge = [experts, plug, first]() mutable {
    plug->merge_into(first ? experts->gate_up_proj : experts->down_proj);
  };
  return hung;
}

}  // namespace luthier
