// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip2/qformer_options.h"

#include "engine/models/config_numbers.h"

namespace luthier {

Result<QFormerOptions> read_qformer_options(const Json& config, const std::string& where,
                                            std::int64_t encoder_hidden_size, std::int64_t queries,
                                            bool instructed) {
  QFormerOptions o;
  LUTHIER_CHECK(read_in_range(config, "vocab_size", where, 1, 1 << 24, o.vocab_size));
  LUTHIER_CHECK(read_in_range(config, "hidden_size", where, 1, 1 << 20, o.hidden_size));
  LUTHIER_CHECK(read_in_range(config, "intermediate_size", where, 1, 1 << 22, o.intermediate_size));
  LUTHIER_CHECK(read_in_range(config, "num_hidden_layers", where, 1, 4096, o.num_hidden_layers));
  LUTHIER_CHECK(
      read_in_range(config, "num_attention_heads", where, 1, 1 << 16, o.num_attention_heads));
  LUTHIER_CHECK(read_in_range(config, "max_position_embeddings", where, 1, 1 << 20,
                              o.max_position_embeddings));
  LUTHIER_CHECK(read_in_range(config, "cross_attention_frequency", where, 1, 4096,
                              o.cross_attention_frequency));
  if (o.hidden_size % o.num_attention_heads != 0)
    return input_error("hidden_size is not a multiple of num_attention_heads.",
                       where + ": num_attention_heads");
  o.encoder_hidden_size = encoder_hidden_size, o.queries = queries;
  LUTHIER_TRY(o.layer_norm_eps, json_number(config, "layer_norm_eps", where, o.layer_norm_eps));
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  LUTHIER_TRY(const std::string act, json_string(config, "hidden_act", where, "gelu"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": hidden_act"));
  o.reads_text = o.own_words = instructed;
  if (!instructed) {
    LUTHIER_TRY(o.reads_text, json_bool(config, "use_qformer_text_input", where, false));
  }
  const auto padding = config.find("pad_token_id");
  if (padding != config.end() && padding->is_null()) {
    o.padding = -1;
  } else {
    LUTHIER_TRY(o.padding, json_int(config, "pad_token_id", where, 0));
  }
  if (o.padding < 0 || o.padding >= o.vocab_size) o.padding = -1;
  // What config files of before have of BERT, and the class does not read.
  LUTHIER_TRY(const std::string kind,
              json_string(config, "position_embedding_type", where, "absolute"));
  if (kind != "absolute")
    return input_error("Positions of the kind \"" + kind + "\" are not built.",
                       where + ": position_embedding_type", "It is absolute.");
  return o;
}

}  // namespace luthier
