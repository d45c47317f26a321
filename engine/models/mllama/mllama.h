// SPDX-License-Identifier: GPL-3.0-or-later
// Llama 3.2 Vision (Grattafiori et al. 2024): pictures never enter the sequence; some layers of a
// Llama decoder look across to what a tower for tiles made of them. As
// MllamaForConditionalGeneration of transformers 5.17, each row as if it were alone in its batch.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/mllama/mllama_tower.h"

namespace luthier {

struct MllamaOptions {
  MllamaVisionOptions vision;
  DecoderOptions text;
  TokenId image_token_id = 128256;
};
Result<MllamaOptions> read_mllama_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family mllama_family;

}  // namespace luthier
