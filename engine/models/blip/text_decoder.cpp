// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip/text_decoder.h"

namespace luthier::blip {

namespace {

constexpr PredictionNames kWrittenWords{"cls.predictions.transform.dense",
                                        "cls.predictions.transform.LayerNorm",
                                        "cls.predictions.decoder", "cls.predictions"};

}  // namespace

TextDecoder::TextDecoder(const MedOptions& text, bool tied, const torch::TensorOptions& t) {
  stack = register_module("bert", std::make_shared<MedStack>(text, /*causal=*/true, t));
  PredictionSizes sizes;
  sizes.hidden = sizes.width = text.layer.hidden, sizes.words = text.tables.words;
  sizes.layer_norm_eps = text.layer.layer_norm_eps;
  sizes.activation = text.layer.activation;
  sizes.tied = tied;
  predictions =
      std::make_unique<Predictions>(*this, kWrittenWords, sizes, stack->embeddings->words, t);
}

}  // namespace luthier::blip
