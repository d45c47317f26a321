// SPDX-License-Identifier: GPL-3.0-or-later
// The likeliest of a row's numbers without sorting it (Gaussian top-k, Gemma 3n's sparse gates): if
// they were drawn from a normal distribution, a fixed share would lie above so many standard
// deviations over their mean.
#pragma once

#include "engine/device/torch.h"

namespace luthier {

/// x [..., size] → of each number what it has over its row's mean + deviations · standard
/// deviation, or 0. Keeps x and two numbers a row.
torch::Tensor over_cutoff(const torch::Tensor& x, double deviations);

}  // namespace luthier
