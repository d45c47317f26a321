// SPDX-License-Identifier: GPL-3.0-or-later
// When two answers to the same prompts are the same.
#pragma once

#include <vector>

#include "engine/generate/generate.h"

namespace luthier {

/// The farthest log-probability of tokens that both chose; infinite where one chose a token that
/// the other holds for another than (nearly) the best.
double answers_apart(const std::vector<Generated>& found, const std::vector<Generated>& truth,
                     double near);

}  // namespace luthier
