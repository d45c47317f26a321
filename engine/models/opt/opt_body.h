// SPDX-License-Identifier: GPL-3.0-or-later
// transformers' OPTModel: the decoder under its name, by itself or as a language model behind
// pictures.
#pragma once

#include "engine/data/processor.h"
#include "engine/models/opt/opt_options.h"

namespace luthier {

class OptBody : public torch::nn::Module {
 public:
  /// `padding`: the word that learns nothing where it is looked up; −1: there is none.
  OptBody(const DecoderOptions& options, TokenId padding, const torch::TensorOptions& tensors)
      : decoder(options, tensors) {
    register_module("decoder", decoder);
    decoder->embed_tokens->padding = padding;
  }

  Decoder decoder;
};

/// OPTConfig's pad_token_id, of which a null means that no word is one.
Result<TokenId> read_opt_padding(const Json& config, const std::string& where);

}  // namespace luthier
