// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/visualgpt/visualgpt_options.h"

#include "engine/models/config_numbers.h"
#include "engine/models/map_captions.h"
#include "engine/models/tower_model.h"

namespace luthier::visualgpt {

namespace {

Status read_encoder(const Json& config, const std::string& where, std::int64_t width,
                    bart::Options& o) {
  o.d_model = width;
  o.encoder = {/*layers=*/3, /*heads=*/8, /*wide=*/2048};
  LUTHIER_CHECK(read_in_range(config, "encoder_layers", where, 1, 64, o.encoder.layers));
  LUTHIER_CHECK(
      read_in_range(config, "encoder_attention_heads", where, 1, 1 << 12, o.encoder.heads));
  LUTHIER_CHECK(read_in_range(config, "encoder_ffn_dim", where, 1, 1 << 20, o.encoder.wide));
  o.activation = Activation::Relu;
  if (width % o.encoder.heads == 0) return {};
  return input_error("n_embd is " + std::to_string(width) + ", no multiple of the encoder's " +
                         std::to_string(o.encoder.heads) + " heads.",
                     where + ": encoder_attention_heads");
}

}  // namespace

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision, read_resnet_options(vision, where + ": vision_config"));
  LUTHIER_CHECK(read_in_range(config, "image_size", where, 1, 1 << 12, o.image_size));
  o.side = map_side(o.vision, o.image_size);
  const std::string words = where + ": text_config";
  LUTHIER_TRY(const std::string type, json_string(text, "model_type", words, "gpt2"));
  if (type != "gpt2")
    return input_error("The language model \"" + type + "\" is not one that is built here.",
                       words + ": model_type", "It is gpt2.");
  LUTHIER_TRY(o.text, gpt2::read_options(text, words));
  if (!o.text.across)
    return input_error("The language model does not look across to pictures.",
                       words + ": add_cross_attention", "It must be true.");
  LUTHIER_CHECK(read_encoder(config, where, o.text.n_embd, o.encoder));
  LUTHIER_TRY(o.gate_threshold, json_number(config, "gate_threshold", where, o.gate_threshold));
  if (!(o.gate_threshold >= 0 && o.gate_threshold < 1))
    return input_error("gate_threshold must be from 0 to below 1.", where + ": gate_threshold",
                       "The paper's is 0.2.");
  LUTHIER_CHECK(read_word_of(text, "eos_token_id", words, o.text.vocab_size, o.end));
  o.start = o.end;
  LUTHIER_CHECK(read_word_of(config, "decoder_start_token_id", where, o.text.vocab_size, o.start));
  o.tie_word_embeddings = o.text.tie_word_embeddings;
  return o;
}

}  // namespace luthier::visualgpt
