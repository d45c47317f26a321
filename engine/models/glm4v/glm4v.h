// SPDX-License-Identifier: GPL-3.0-or-later
// GLM-4.1V and its kin (Hong et al. 2025), as Glm4vForConditionalGeneration of transformers 5.17:
// Qwen2.5-VL's way of pictures with a tower and a decoder of their own, for pictures. GLM-4.6V, as
// Glm46VForConditionalGeneration, differs in its processors' names and in films; its large sibling
// has another decoder, which is refused by name.
#pragma once

#include "engine/models/qwen_vl/qwen_vl.h"

namespace luthier {

extern const QwenGeneration glm4v_generation, glm46v_generation;

/// The rows of the family table.
extern const Family glm4v_family, glm46v_family;

}  // namespace luthier
