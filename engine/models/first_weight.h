// SPDX-License-Identifier: GPL-3.0-or-later
// What a tensor of a module begins with before it has learned anything, as transformers initialises
// it: for who draws a whole model, and who draws one tensor of it.
#pragma once

#include <optional>
#include <string>

#include "engine/device/torch.h"
#include "engine/nn/parameters.h"

namespace luthier {

/// The number that `name` of such a module begins with everywhere: 0 of biases, what changes
/// nothing of a norm's weight; nullopt: it is drawn. (ParameterModule::first_value comes before
/// either.)
std::optional<double> fixed_start(const ParameterModule& owner, const std::string& name);

/// The tensor `name` of `owner`, float32 on the CPU; what is drawn is normal(0, range). The
/// module's own tensors may be on the meta device.
torch::Tensor first_weight(const ParameterModule& owner, const std::string& name,
                           torch::IntArrayRef shape, double range, const at::Generator& generator);

}  // namespace luthier
