// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/parameters.h"

namespace luthier {

void ParameterModule::add_parameter(const std::string& name, torch::Tensor& member,
                                    torch::IntArrayRef shape, const torch::TensorOptions& options) {
  adopt(name, member, torch::empty(shape, options));
}

void ParameterModule::add_fixed(const std::string& name, torch::Tensor& member,
                                torch::IntArrayRef shape, double first,
                                const torch::TensorOptions& options) {
  add_parameter(name, member, shape, options);
  fixed_[name] = first;
}

torch::Tensor ParameterModule::first_value(const std::string& name, const at::Generator&) const {
  const auto found = fixed_.find(name);
  if (found == fixed_.end()) return {};
  for (const auto& [slot, member] : slots_) {
    if (slot == name) return torch::full(member->sizes(), found->second, torch::kFloat32);
  }
  return {};
}

void ParameterModule::adopt(const std::string& name, torch::Tensor& member, torch::Tensor tensor) {
  member = register_parameter(name, std::move(tensor), /*requires_grad=*/false);
  slots_.emplace_back(name, &member);
}

void ParameterModule::add_tied(const std::string& name, torch::Tensor& member,
                               const torch::Tensor& owner) {
  member = owner;
  slots_.emplace_back(name, &member);
}

void ParameterModule::place(const std::string& name, torch::Tensor tensor) {
  tensor.set_requires_grad(false);
  for (const auto& [slot, member] : slots_) {
    if (slot == name) *member = tensor;
  }
  if (parameters_.contains(name)) parameters_[name] = std::move(tensor);
}

void ParameterModule::remove(const std::string& name) {
  std::erase_if(slots_, [&](const auto& slot) {
    if (slot.first != name) return false;
    *slot.second = torch::Tensor();
    return true;
  });
  if (parameters_.contains(name)) parameters_.erase(name);
}

std::map<std::string, double> fixed_values(const torch::nn::Module& module) {
  std::map<std::string, double> found;
  for (const auto& item : module.named_modules()) {
    const auto* owner = dynamic_cast<const ParameterModule*>(item.value().get());
    if (!owner) continue;
    for (const auto& [name, first] : owner->fixed())
      found[item.key().empty() ? name : item.key() + "." + name] = first;
  }
  return found;
}

}  // namespace luthier
