// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/opt/opt_options.h"

#include "engine/models/config_numbers.h"
#include "engine/models/opt/opt_body.h"

namespace luthier {

namespace {

struct OptSwitch {
  const char* key;
  bool needed;
  const char* why;
};

/// Each changes what a layer computes.
Status check_opt_switches(const Json& config, const std::string& where) {
  static constexpr OptSwitch kSwitches[]{
      {"do_layer_norm_before", true, "Norms behind attention and feed-forward are not built."},
      {"_remove_final_layer_norm", false, "An OPT without its last norm is not built."},
      {"layer_norm_elementwise_affine", true, "Norms without weights are not built."}};
  for (const OptSwitch& each : kSwitches) {
    LUTHIER_TRY(const bool set, json_bool(config, each.key, where, each.needed));
    if (set != each.needed)
      return input_error(each.why, where + ": " + each.key,
                         std::string("It must be ") + (each.needed ? "true." : "false."));
  }
  LUTHIER_TRY(const double left_out, json_number(config, "layerdrop", where, 0));
  if (left_out == 0) return {};
  return input_error("Layers that are left out at random in training are not built.",
                     where + ": layerdrop", "Set it to 0.");
}

}  // namespace

Result<DecoderOptions> read_opt_options(const Json& config, const std::string& where) {
  DecoderOptions o;
  LUTHIER_TRY(o.model_type, json_string(config, "model_type", where, kOptDecoder));
  if (o.model_type != kOptDecoder)
    return input_error("The decoder \"" + o.model_type + "\" is not this family's.",
                       where + ": model_type", "It is opt.");
  o.vocab_size = 50272, o.hidden_size = 768, o.intermediate_size = 3072;
  o.num_hidden_layers = o.num_attention_heads = 12;
  std::int64_t positions = 2048;
  LUTHIER_CHECK(read_in_range(config, "vocab_size", where, 1, 1 << 24, o.vocab_size));
  LUTHIER_CHECK(read_in_range(config, "hidden_size", where, 1, 1 << 20, o.hidden_size));
  LUTHIER_CHECK(read_in_range(config, "ffn_dim", where, 1, 1 << 22, o.intermediate_size));
  LUTHIER_CHECK(read_in_range(config, "num_hidden_layers", where, 1, 4096, o.num_hidden_layers));
  LUTHIER_CHECK(
      read_in_range(config, "num_attention_heads", where, 1, 1 << 16, o.num_attention_heads));
  LUTHIER_CHECK(read_in_range(config, "max_position_embeddings", where, 1, 1 << 20, positions));
  if (o.hidden_size % o.num_attention_heads != 0)
    return input_error("hidden_size (" + std::to_string(o.hidden_size) +
                           ") is not a multiple of num_attention_heads (" +
                           std::to_string(o.num_attention_heads) + ").",
                       where + ": num_attention_heads");
  std::int64_t words = o.hidden_size;
  LUTHIER_CHECK(read_in_range(config, "word_embed_proj_dim", where, 1, 1 << 20, words));
  if (words != o.hidden_size)
    return input_error("Words of " + std::to_string(words) + " features would be projected to " +
                           std::to_string(o.hidden_size) + ", which is not built.",
                       where + ": word_embed_proj_dim", "It must be hidden_size.");
  LUTHIER_CHECK(check_opt_switches(config, where));
  o.num_key_value_heads = o.num_attention_heads;
  o.head_dim = o.hidden_size / o.num_attention_heads;
  LUTHIER_TRY(o.initializer_range, json_number(config, "init_std", where, 0.02));
  LUTHIER_TRY(const std::string act, json_string(config, "activation_function", where, "relu"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": activation_function"));
  LUTHIER_TRY(o.qkv_bias, json_bool(config, "enable_bias", where, true));
  o.o_bias = o.mlp_bias = o.qkv_bias;
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  const auto layers = static_cast<std::size_t>(o.num_hidden_layers);
  o.sliding_windows.resize(layers);
  o.unturned.assign(layers, true);
  o.rotary.max_position_embeddings = positions;
  return o;
}

Result<TokenId> read_opt_padding(const Json& config, const std::string& where) {
  const auto found = config.find("pad_token_id");
  if (found != config.end() && found->is_null()) return TokenId{-1};
  LUTHIER_TRY(const std::int64_t vocabulary, json_int(config, "vocab_size", where, 50272));
  LUTHIER_TRY(const std::int64_t padding, json_int(config, "pad_token_id", where, 1));
  if (padding < 0 || padding >= vocabulary) return TokenId{-1};
  return static_cast<TokenId>(padding);
}

}  // namespace luthier
