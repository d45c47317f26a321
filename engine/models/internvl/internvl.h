// SPDX-License-Identifier: GPL-3.0-or-later
// InternVL (Chen et al. 2024; the -hf folders of InternVL 2.5 to 3.5): its own tower over tiles and
// a thumbnail, squares of patches folded into one, a normed two-layer projector, a Qwen2, Qwen3 or
// Llama decoder. As InternVLForConditionalGeneration of transformers 5.17.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/internvl/internvl_tower.h"

namespace luthier {

struct InternVLOptions {
  InternVLTowerOptions vision;
  DecoderOptions text;
  std::int64_t fold =
      2;  ///< 1 / downsample_ratio: a square of so many patches a side becomes one token
  std::int64_t feature_layers = 24;  ///< how many of the tower's layers run
  bool feature_norm = true;          ///< whether the tower's last norm follows
  Activation projector_hidden_act = Activation::Gelu;
  bool tie_word_embeddings = true;
  TokenId image_token_id = 151667;
};
Result<InternVLOptions> read_internvl_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family internvl_family;

}  // namespace luthier
