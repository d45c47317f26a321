// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a ClipCap (Mokady et al. 2021), of which transformers has no class: sections as
// CLIPVisionConfig and GPT2Config have them, and beside them the authors' own settings of what
// stands between (prefix_length, prefix_length_clip, mapping_type, num_layers, normalize_prefix).
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "engine/models/gpt2/gpt2_options.h"
#include "engine/models/vision_tower.h"
#include "engine/text/tokenizer.h"

namespace luthier::clipcap {

enum class Mapping { Mlp, Transformer };

struct MapperOptions {
  Mapping mapping = Mapping::Mlp;
  std::int64_t vector = 512;        ///< numbers of CLIP's vector
  std::int64_t width = 768;         ///< of the language model's states
  std::int64_t prefix_length = 10;  ///< states that stand before the caption
  std::int64_t clip_length = 10;    ///< tokens that the transformer makes of the vector first
  std::int64_t layers = 8, heads = 8;
};

struct Options {
  VisionTowerOptions vision;
  gpt2::Options text;
  MapperOptions mapper;
  bool normalize_prefix = false;  ///< the vector is divided by its length first
  TokenId image_token_id = 0;     ///< may lie behind the vocabulary: its embedding is never read
  TokenId end = 50256;            ///< of a caption
  bool tie_word_embeddings = true;
};

/// An Input error names `where` and the field.
Result<Options> read_options(const Json& config, const std::string& where);

}  // namespace luthier::clipcap
