// SPDX-License-Identifier: GPL-3.0-or-later
// MiniCPM-V 4.6 (OpenBMB 2026): whole pictures and slices of them of any proportions through
// SigLIP's layers, sixteen patches a token (or four), a Qwen3.5 decoder that counts tokens of
// pictures as any others. As MiniCPMV4_6ForConditionalGeneration of transformers 5.17, which takes
// units of one size alone: here each goes by itself.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/family.h"
#include "engine/models/minicpmv/minicpmv_tower.h"

namespace luthier {

struct MiniCpmVOptions {
  MiniCpmVisionOptions vision;
  DecoderOptions text;
  bool tie_word_embeddings = false;
  TokenId image_token_id = -1;
};
Result<MiniCpmVOptions> read_minicpmv_options(const Json& config, const std::string& where);

/// How the processor writes a picture; the tokenizer names its words.
struct MiniCpmVText {
  std::string image = "<|image_pad|>", start = "<image>", end = "</image>", slice_start = "<slice>",
              slice_end = "</slice>", id_start = "<image_id>", id_end = "</image_id>";
  std::int64_t patches_per_token = 16;

  /// Of a grid as the picture processor gives it: the whole, then rows of slices.
  std::string expand(const std::vector<std::int64_t>& grid) const;
};

}  // namespace luthier
