// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA (Liu et al. 2023): a CLIP or SigLIP tower, a two-layer projector, a Llama, Mistral or Qwen2
// decoder. As LlavaForConditionalGeneration of transformers 5.17, under its in-memory names.
#pragma once

#include <optional>

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/vision_tower.h"

namespace luthier {

struct LlavaOptions {
  VisionTowerOptions vision;
  DecoderOptions text;
  std::vector<std::int64_t> vision_feature_layers;  ///< as the config has them; more than one:
                                                    ///< their features side by side
  bool drop_first_feature =
      true;  ///< vision_feature_select_strategy "default" (the class token) or "full"
  /// Between the projector's two products; none ("linear", transformers' identity): they are one
  /// linear map.
  std::optional<Activation> projector_hidden_act = Activation::Gelu;
  bool projector_bias = true;
  bool tie_word_embeddings = false;
  TokenId image_token_id = 32000;
};
Result<LlavaOptions> read_llava_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family llava_family;

}  // namespace luthier
