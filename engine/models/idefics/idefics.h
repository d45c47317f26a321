// SPDX-License-Identifier: GPL-3.0-or-later
// Idefics (Laurençon et al. 2023), the open Flamingo (Alayrac et al. 2022): rows of text in which
// pictures stand as marks; gated layers before those of a Llama decoder see what a CLIP tower, and
// a resampler where there is one, made of the last picture. As IdeficsForVisionText2Text of
// transformers 5.17.
#pragma once

#include <optional>

#include "engine/models/family.h"
#include "engine/models/idefics/gated_layer.h"
#include "engine/models/idefics/resampler.h"
#include "engine/models/vision_tower.h"

namespace luthier {

struct IdeficsOptions {
  VisionTowerOptions vision;
  DecoderOptions text;
  GateOptions gates;
  std::optional<ResamplerOptions> resampler;
  std::int64_t interval = 1;    ///< layers of the decoder from one gated one to the next
  std::int64_t more_words = 0;  ///< that have rows of their own in table and head
  bool tie_word_embeddings = false;
  TokenId image_token_id = 32001;
  std::vector<TokenId> ends;  ///< behind which a picture is seen no more

  /// Of a picture, as the layers see it.
  std::int64_t states() const { return resampler ? resampler->latents : vision.tokens(); }
};
/// `folder`: whose tokenizer says which token the mark is, which config.json does not.
Result<IdeficsOptions> read_idefics_options(const Json& config,
                                            const std::filesystem::path& folder);

/// The row of the family table.
extern const Family idefics_family;

}  // namespace luthier
