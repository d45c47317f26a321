// SPDX-License-Identifier: GPL-3.0-or-later
// Which trained tensors weight decay pulls on: transformers' rule
// (Trainer.get_decay_parameter_names), by name and by the module that holds the tensor.
#pragma once

#include <string_view>

namespace luthier {

/// `name`: the parameter's full name. `in_layer_norm`: a module on its path is a LayerNorm. Biases
/// and norms do not decay.
bool decays(std::string_view name, bool in_layer_norm);

}  // namespace luthier
