// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers that were computed on a device, on the host. Each read of its own is waited for, and
// while the host waits nothing is launched: so they are kept as tensors and read together.
#pragma once

#include <vector>

#include "engine/device/torch.h"

namespace luthier {

/// All that these tensors hold, in their order: one read and one wait, however many there are.
std::vector<double> read_numbers(const std::vector<torch::Tensor>& numbers);

}  // namespace luthier
