// SPDX-License-Identifier: GPL-3.0-or-later
// The former name of what models/model.h, models/family.h and models/loaded_model.h say.
#pragma once

#include "engine/models/loaded_model.h"

namespace luthier {

using VisionLanguageModel = Model;

}  // namespace luthier
