// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a VisualGPT (Chen et al. 2022), of which transformers has no class: sections as
// ResNetConfig and GPT2Config have them, and beside them the encoder's between the two.
#pragma once

#include <cstdint>
#include <string>

#include "engine/models/bart/bart_options.h"
#include "engine/models/gpt2/gpt2_options.h"
#include "engine/models/resnet/resnet_body.h"
#include "engine/text/tokenizer.h"

namespace luthier::visualgpt {

struct Options {
  ResnetOptions vision;
  std::int64_t image_size = 224;
  std::int64_t side = 7;  ///< of the map
  bart::Options encoder;  ///< of its layers, each of which is a level that the decoder sees
  gpt2::Options text;
  double gate_threshold = 0.2;  ///< shares of no more than this are none
  TokenId start = 50256, end = 50256;
  bool tie_word_embeddings = true;

  std::int64_t states() const { return side * side; }
  std::int64_t levels() const { return encoder.encoder.layers; }
};

/// An Input error names `where` and the field.
Result<Options> read_options(const Json& config, const std::string& where);

}  // namespace luthier::visualgpt
