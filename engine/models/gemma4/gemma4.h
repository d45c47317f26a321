// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma 4 (Google 2026): a tower for pictures of any size, one product behind a norm without a
// weight, Gemma 4's decoder. As Gemma4ForConditionalGeneration of transformers 5.17, for pictures:
// what a folder holds for sound is left unread.
#pragma once

#include "engine/models/family.h"
#include "engine/models/gemma4/gemma4_tower.h"
#include "engine/models/gemma4/media.h"

namespace luthier {

struct Gemma4ModelOptions : Gemma4MediaOptions {
  Gemma4VisionOptions vision;
};
Result<Gemma4ModelOptions> read_gemma4_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family gemma4_family;

}  // namespace luthier
