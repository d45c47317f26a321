// SPDX-License-Identifier: GPL-3.0-or-later
// Host tensors to a device in one copy, of which some are needed for a moment only: a fixed tower's
// pixels, which are a hundred times what else a batch is, beside places and labels that the
// backward asks for at the step's end.
#pragma once

#include "engine/device/together.h"

namespace luthier {

/// As move_together, all in one copy. On the device `lasting` ones are then copied out of the block
/// in which they came, so that it is given back as soon as the `brief` ones are let go of.
void move_with_brief(const std::vector<torch::Tensor*>& lasting,
                     const std::vector<torch::Tensor*>& brief, torch::Device device);

}  // namespace luthier
