// SPDX-License-Identifier: GPL-3.0-or-later
// How files name experts' matrices. transformers' save_pretrained writes each expert's by itself
// for some families, as Qwen2's mixture had them ("qwen2_moe" in its conversion_mapping.py): the
// sides of a gate are two tensors there, and in memory the halves of one matrix.
#pragma once

#include "engine/models/family.h"

namespace luthier {

/// Family::pieces_of for them.
std::vector<StackPiece> pieces_of_experts(const std::string& name,
                                          const std::vector<std::int64_t>& shape);

}  // namespace luthier
