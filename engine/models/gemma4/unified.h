// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma 4's unified model (Google 2026): no tower, patches of pictures go through norms, a product
// and places straight into Gemma 4's decoder, whose layers all let a picture's tokens see one
// another. As Gemma4UnifiedForConditionalGeneration of transformers 5.17, for pictures: what a
// folder holds for sound is left unread.
#pragma once

#include "engine/models/family.h"
#include "engine/models/gemma4/unified_embedder.h"

namespace luthier {

struct Gemma4UnifiedOptions : Gemma4MediaOptions {
  Gemma4UnifiedVisionOptions vision;
  double initializer_range = 0.02;  ///< of what is neither the text's nor a place
};
Result<Gemma4UnifiedOptions> read_gemma4_unified_options(const Json& config,
                                                         const std::string& where);

/// The row of the family table.
extern const Family gemma4_unified_family;

}  // namespace luthier
