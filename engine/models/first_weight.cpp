// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/first_weight.h"

#include "engine/nn/layers.h"

namespace luthier {

std::optional<double> fixed_start(const ParameterModule& owner, const std::string& name) {
  if (name.ends_with("bias")) return 0.0;
  const std::string type = owner.type_name();
  if (type != "RMSNorm" && type != "LayerNorm") return std::nullopt;
  const auto* rms = dynamic_cast<const RmsNormImpl*>(&owner);
  return rms ? rms->neutral() : 1.0;
}

torch::Tensor first_weight(const ParameterModule& owner, const std::string& name,
                           torch::IntArrayRef shape, double range, const at::Generator& generator) {
  if (const torch::Tensor first = owner.first_value(name, generator); first.defined()) return first;
  const torch::Tensor tensor = torch::empty(shape, torch::kFloat32);
  if (const auto start = fixed_start(owner, name)) return tensor.fill_(*start);
  return tensor.normal_(0, range, generator);
}

}  // namespace luthier
