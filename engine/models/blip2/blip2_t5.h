// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP-2 before T5 (Blip2ForConditionalGeneration of transformers 5.17 with a T5ForConditional-
// Generation): the queries stand in front of what the encoder reads, and the decoder writes the
// answer.
#pragma once

#include <string>

#include "engine/models/blip2/bridge.h"
#include "engine/models/model.h"
#include "engine/models/t5/t5_options.h"

namespace luthier {

struct Blip2T5Options {
  BridgeOptions bridge;
  t5::Options text;
  TokenId image_token_id = -1;
  bool tie_word_embeddings = true;
};
Result<Blip2T5Options> read_blip2_t5_options(const Json& config, const std::string& where);

/// Whether config.json's language model is T5.
bool is_blip2_t5(const Json& config);

std::shared_ptr<Model> make_blip2_t5(const Blip2T5Options& options,
                                     const torch::TensorOptions& tensors);

/// Says in config.json that the head is not tied.
void untie_blip2(Json& config);

}  // namespace luthier
