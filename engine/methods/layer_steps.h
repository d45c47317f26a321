// SPDX-License-Identifier: GPL-3.0-or-later
// Which layers of the base train, and from which step on: the last ones of a part alone, or one
// more every so many steps, from the last to the first (gradual unfreezing, Howard & Ruder 2018).
// From names alone, so that the forecast and the training ask the same. What stands behind the
// layers (a norm, a head) goes with the last of them, what stands before them (embeddings) with the
// first.
#pragma once

#include "engine/methods/method.h"

namespace luthier {

/// Of the method freeze.
Result<FirstSteps> layer_steps(const std::vector<NamedPart>& all, const Recipe& recipe);

}  // namespace luthier
