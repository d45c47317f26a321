// SPDX-License-Identifier: GPL-3.0-or-later
// Llama 3.2 Vision's pictures as its class is given them: the fullest row's number of them for each
// row, and of each as many tiles as any can have.
#pragma once

#include "engine/models/class_arguments.h"
#include "engine/models/mllama/mllama.h"

namespace luthier {

/// Input error: what a token sees is not what the marks before it say.
Status put_given_tiles(const GivenArguments& given, const MllamaOptions& options,
                       ModelInput& input);

}  // namespace luthier
