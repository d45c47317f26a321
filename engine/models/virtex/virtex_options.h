// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a VirTex (Desai & Johnson 2021), of which transformers has no class: a section as
// ResNetConfig has it, and the textual head's sizes beside it.
#pragma once

#include <cstdint>
#include <string>

#include "engine/models/bart/bart_options.h"
#include "engine/models/resnet/resnet_body.h"

namespace luthier::virtex {

struct Options {
  ResnetOptions vision;
  std::int64_t image_size = 224;
  std::int64_t side = 7;         ///< of the map
  bart::Options text;            ///< of its layers, which are BART's decoder's
  double layer_norm_eps = 1e-8;  ///< of words with their positions
  TokenId padding = 0, start = 1, end = 2;
  bool backward = true;  ///< captions are written from their ends, too
  bool tie_word_embeddings = true;

  std::int64_t states() const { return side * side; }
};

/// An Input error names `where` and the field.
Result<Options> read_options(const Json& config, const std::string& where);

}  // namespace luthier::virtex
