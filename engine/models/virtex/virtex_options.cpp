// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/virtex/virtex_options.h"

#include "engine/models/config_numbers.h"
#include "engine/models/map_captions.h"
#include "engine/models/tower_model.h"

namespace luthier::virtex {

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(o.vision, read_resnet_options(vision, where + ": vision_config"));
  LUTHIER_CHECK(read_in_range(config, "image_size", where, 1, 1 << 12, o.image_size));
  o.side = map_side(o.vision, o.image_size);
  bart::Options& text = o.text;
  text.vocab_size = 10000, text.max_position_embeddings = 30;
  text.decoder = {/*layers=*/1, /*heads=*/16, /*wide=*/4096};
  LUTHIER_CHECK(read_in_range(config, "vocab_size", where, 1, 1 << 24, text.vocab_size));
  LUTHIER_CHECK(read_in_range(config, "hidden_size", where, 1, 1 << 16, text.d_model));
  LUTHIER_CHECK(read_in_range(config, "num_hidden_layers", where, 1, 1024, text.decoder.layers));
  LUTHIER_CHECK(
      read_in_range(config, "num_attention_heads", where, 1, 1 << 12, text.decoder.heads));
  text.decoder.wide = 4 * text.d_model;
  LUTHIER_CHECK(read_in_range(config, "intermediate_size", where, 1, 1 << 20, text.decoder.wide));
  LUTHIER_CHECK(read_in_range(config, "max_position_embeddings", where, 2, 1 << 20,
                              text.max_position_embeddings));
  if (text.d_model % text.decoder.heads != 0)
    return input_error("hidden_size is " + std::to_string(text.d_model) + ", no multiple of the " +
                           std::to_string(text.decoder.heads) + " heads.",
                       where + ": num_attention_heads");
  LUTHIER_TRY(const std::string act, json_string(config, "hidden_act", where, "gelu"));
  LUTHIER_TRY(text.activation, parse_activation(act, where + ": hidden_act"));
  LUTHIER_TRY(text.init_std, json_number(config, "initializer_range", where, text.init_std));
  LUTHIER_TRY(o.layer_norm_eps, json_number(config, "layer_norm_eps", where, o.layer_norm_eps));
  LUTHIER_CHECK(read_word_of(config, "pad_token_id", where, text.vocab_size, o.padding));
  LUTHIER_CHECK(read_word_of(config, "bos_token_id", where, text.vocab_size, o.start));
  LUTHIER_CHECK(read_word_of(config, "eos_token_id", where, text.vocab_size, o.end));
  if (o.start == o.padding || o.end == o.padding)
    return input_error(
        "A caption begins or ends in the token that fills rows up, which stands for "
        "nothing.",
        where + ": pad_token_id", "The three are different tokens.");
  LUTHIER_TRY(o.backward, json_bool(config, "caption_backward", where, true));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  return o;
}

}  // namespace luthier::virtex
