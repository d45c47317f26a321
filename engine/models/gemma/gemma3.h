// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma 3 (Gemma Team 2025): SigLIP's patches pooled to few tokens, a centred norm and one product,
// Gemma 3's decoder. A picture's tokens see one another both ways, in local layers as far back as
// the window. As Gemma3ForConditionalGeneration of transformers 5.17, under its in-memory names.
#pragma once

#include "engine/models/gemma/siglip_gemma.h"

namespace luthier {

struct Gemma3Options : SiglipGemmaOptions {
  std::int64_t pooling = 1;  ///< a square of so many patches a side becomes one token
  std::int64_t mm_tokens_per_image = 256;
};
Result<Gemma3Options> read_gemma3_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family gemma3_family;

}  // namespace luthier
