// SPDX-License-Identifier: GPL-3.0-or-later
// Fuyu (Adept 2023): no tower; one product makes a token of each patch of a picture, in the middle
// of Persimmon's decoder. As FuyuForCausalLM of transformers 5.17.
#pragma once

#include "engine/models/decoder.h"
#include "engine/models/family.h"

namespace luthier {

struct FuyuModelOptions {
  DecoderOptions text;
  std::int64_t patch_size = 30, num_channels = 3;
  bool tie_word_embeddings = false;
  double initializer_range = 0.02;
  TokenId image_token_id = 71011;

  std::int64_t patch_values() const { return num_channels * patch_size * patch_size; }
};
Result<FuyuModelOptions> read_fuyu_options(const Json& config, const std::string& where);

/// The row of the family table.
extern const Family fuyu_family;

}  // namespace luthier
