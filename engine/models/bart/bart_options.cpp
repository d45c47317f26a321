// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/bart/bart_options.h"

#include "engine/models/config_numbers.h"

namespace luthier::bart {

namespace {

constexpr const char* kTwoTablesOfWords =
    "Encoder and decoder would have tables of words of their own, which is not what Luthier can "
    "load.";

Status read_stack(const Json& config, const std::string& name, const std::string& where,
                  std::int64_t width, StackSizes& sizes) {
  const std::string heads = name + "_attention_heads";
  LUTHIER_CHECK(read_in_range(config, (name + "_layers").c_str(), where, 1, 4096, sizes.layers));
  LUTHIER_CHECK(read_in_range(config, (name + "_ffn_dim").c_str(), where, 1, 1 << 22, sizes.wide));
  LUTHIER_CHECK(read_in_range(config, heads.c_str(), where, 1, 1 << 16, sizes.heads));
  if (width % sizes.heads == 0) return {};
  return input_error("d_model is " + std::to_string(width) + ", no multiple of the " +
                         std::to_string(sizes.heads) + " heads.",
                     where + ": " + heads);
}

}  // namespace

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_CHECK(read_in_range(config, "vocab_size", where, 1, 1 << 24, o.vocab_size));
  LUTHIER_CHECK(read_in_range(config, "d_model", where, 1, 1 << 20, o.d_model));
  LUTHIER_CHECK(read_in_range(config, "max_position_embeddings", where, 1, 1 << 20,
                              o.max_position_embeddings));
  LUTHIER_CHECK(read_stack(config, "encoder", where, o.d_model, o.encoder));
  LUTHIER_CHECK(read_stack(config, "decoder", where, o.d_model, o.decoder));
  LUTHIER_TRY(o.init_std, json_number(config, "init_std", where, o.init_std));
  LUTHIER_TRY(const std::string act, json_string(config, "activation_function", where, "gelu"));
  LUTHIER_TRY(o.activation, parse_activation(act, where + ": activation_function"));
  LUTHIER_TRY(o.scale_embedding, json_bool(config, "scale_embedding", where, false));
  LUTHIER_TRY(o.start, json_int(config, "decoder_start_token_id", where, o.start));
  if (o.start < 0 || o.start >= o.vocab_size) {
    return input_error("decoder_start_token_id is " + std::to_string(o.start) +
                           ", which is no token of the vocabulary.",
                       where + ": decoder_start_token_id");
  }
  if (const auto pad = config.find("pad_token_id"); pad == config.end() || !pad->is_null()) {
    LUTHIER_TRY(o.padding, json_int(config, "pad_token_id", where, o.padding));
  }
  LUTHIER_TRY(const bool one_table, json_bool(config, "tie_word_embeddings", where, true));
  if (!one_table) return input_error(kTwoTablesOfWords, where + ": tie_word_embeddings");
  for (const char* key : {"encoder_layerdrop", "decoder_layerdrop"}) {
    LUTHIER_TRY(const double share, json_number(config, key, where, 0));
    if (share == 0) continue;
    return input_error("Layers that are left out at random in training are not built.",
                       where + ": " + key, "Set it to 0.");
  }
  return o;
}

}  // namespace luthier::bart
