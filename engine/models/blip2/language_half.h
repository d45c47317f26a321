// SPDX-License-Identifier: GPL-3.0-or-later
// What answers behind a Q-Former: a whole model of text, which stands under its own names within
// the one around it (transformers' AutoModelForCausalLM): OPT, or a decoder of the Llama kind.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/data/processor.h"
#include "engine/io/json.h"
#include "engine/models/decoder.h"

namespace luthier {

struct LanguageOptions {
  DecoderOptions decoder;
  TokenId padding = -1;          ///< OPT's word that learns nothing where it is looked up
  std::int64_t longest_row = 0;  ///< tokens that there are positions for; 0: no end
  TokenId end = 2;               ///< of an answer, where generation_config.json says nothing
};

/// Reads a text_config; `default_type` where it names none.
Result<LanguageOptions> read_language_options(const Json& config, const std::string& where,
                                              const char* default_type);

/// The token that ends the model's answers, the first where there are several: BLIP-2's checkpoints
/// with OPT end a caption with a line's end, and not with the tokenizer's own token.
Result<TokenId> answer_end(const LanguageOptions& options, const std::filesystem::path& folder);

/// Holds the decoder as "model" (OPT's within another module); the head comes from outside.
class LanguageHalf : public torch::nn::Module {
 public:
  LanguageHalf(const LanguageOptions& options, const torch::TensorOptions& tensors);

  Decoder decoder{nullptr};
};

}  // namespace luthier
