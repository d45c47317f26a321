// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/parameters.h"

namespace luthier {

void ParameterModule::add_parameter(const std::string& name, torch::Tensor& member,
                                    torch::IntArrayRef shape, const torch::TensorOptions& options) {
  member = register_parameter(name, torch::empty(shape, options), /*requires_grad=*/false);
  slots_.emplace_back(name, &member);
}

void ParameterModule::add_tied(const std::string& name, torch::Tensor& member,
                               const torch::Tensor& owner) {
  member = owner;
  slots_.emplace_back(name, &member);
}

}  // namespace luthier
