// SPDX-License-Identifier: GPL-3.0-or-later
// Host tensors to a device in one copy. Each copy of its own costs a launch and, from memory that
// is not pinned, a wait; a batch has a dozen small ones.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

/// Tensors by a name, made on the host beside what they belong to.
using NamedTensorMap = std::map<std::string, torch::Tensor>;

/// Puts each tensor that is defined and not there yet on `device`. Those that come from the host go
/// together, through pinned memory where CUDA is asked, and share one block there, which lives as
/// long as any of them.
void move_together(const std::vector<torch::Tensor*>& tensors, torch::Device device);

}  // namespace luthier
