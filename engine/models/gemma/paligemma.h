// SPDX-License-Identifier: GPL-3.0-or-later
// PaliGemma (Beyer et al. 2024) and PaliGemma 2: a SigLIP tower and one linear layer before Gemma
// or Gemma 2. What is given (pictures and question) sees itself both ways, the answer looks back.
// As PaliGemmaForConditionalGeneration of transformers 5.17, under its in-memory names.
#pragma once

#include "engine/models/gemma/siglip_gemma.h"

namespace luthier {

Result<SiglipGemmaOptions> read_paligemma_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family paligemma_family;

}  // namespace luthier
