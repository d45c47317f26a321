// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/t5/t5_options.h"

#include <cmath>
#include <string_view>

#include "engine/models/config_numbers.h"

namespace luthier::t5 {

namespace {

constexpr const char* kDamaged = "The checkpoint's configuration is damaged or not of this kind.";

/// `NAME` or `gated-NAME`, where T5's own gated-gelu is the tangent's.
Status read_feed_forward(const Json& config, const std::string& where, Options& options) {
  LUTHIER_TRY(std::string name, json_string(config, "feed_forward_proj", where, "relu"));
  constexpr std::string_view kGated = "gated-";
  options.gated = name.starts_with(kGated);
  if (options.gated) name.erase(0, kGated.size());
  if (options.gated && name == "gelu") name = "gelu_new";
  LUTHIER_TRY(options.activation, parse_activation(name, where + ": feed_forward_proj"));
  return {};
}

}  // namespace

Result<Options> read_options(const Json& config, const std::string& where) {
  Options o;
  LUTHIER_CHECK(read_in_range(config, "vocab_size", where, 1, 1 << 24, o.vocab_size));
  LUTHIER_CHECK(read_in_range(config, "d_model", where, 1, 1 << 20, o.d_model));
  LUTHIER_CHECK(read_in_range(config, "d_kv", where, 1, 1 << 16, o.d_kv));
  LUTHIER_CHECK(read_in_range(config, "d_ff", where, 1, 1 << 22, o.d_ff));
  LUTHIER_CHECK(read_in_range(config, "num_layers", where, 1, 4096, o.num_layers));
  o.num_decoder_layers = o.num_layers;
  LUTHIER_CHECK(read_in_range(config, "num_decoder_layers", where, 1, 4096, o.num_decoder_layers));
  LUTHIER_CHECK(read_in_range(config, "num_heads", where, 1, 1 << 16, o.num_heads));
  LUTHIER_CHECK(
      read_in_range(config, "relative_attention_num_buckets", where, 4, 1 << 16, o.buckets));
  // Half of the decoder's buckets are single steps; the others go by the distance's logarithm.
  LUTHIER_CHECK(read_in_range(config, "relative_attention_max_distance", where, o.buckets / 2 + 1,
                              1 << 24, o.max_distance));
  LUTHIER_TRY(o.layer_norm_epsilon,
              json_number(config, "layer_norm_epsilon", where, o.layer_norm_epsilon));
  LUTHIER_TRY(o.initializer_factor,
              json_number(config, "initializer_factor", where, o.initializer_factor));
  LUTHIER_CHECK(read_feed_forward(config, where, o));
  // Files before 5.x say by tie_word_embeddings what scale_decoder_outputs says since: T5 1.1's
  // states are not scaled. The head is tied in either case, unless the files hold another one.
  LUTHIER_TRY(const bool tied, json_bool(config, "tie_word_embeddings", where, true));
  LUTHIER_TRY(o.scaled_outputs, json_bool(config, "scale_decoder_outputs", where, tied));
  LUTHIER_TRY(const TokenId padding, json_int(config, "pad_token_id", where, 0));
  LUTHIER_TRY(o.start, json_int(config, "decoder_start_token_id", where, padding));
  if (o.start < 0 || o.start >= o.vocab_size) {
    return input_error("decoder_start_token_id is " + std::to_string(o.start) +
                           ", which is no token of the vocabulary.",
                       where + ": decoder_start_token_id", kDamaged);
  }
  LUTHIER_TRY(const bool two_texts, json_bool(config, "is_encoder_decoder", where, true));
  if (!two_texts) {
    return input_error("A T5 that is an encoder alone is not one that Luthier can load.",
                       where + ": is_encoder_decoder");
  }
  return o;
}

double drawn_range(const Options& o, const std::string& name) {
  const auto of = [&](std::int64_t size) {
    return o.initializer_factor / std::sqrt(static_cast<double>(size));
  };
  if (name.ends_with(".q.weight")) return of(o.d_model * o.d_kv);
  if (name.ends_with(".o.weight")) return of(o.num_heads * o.d_kv);
  if (name.ends_with(".wo.weight")) return of(o.d_ff);
  if (name == "shared.weight" || name == "lm_head.weight") return o.initializer_factor;
  return of(o.d_model);
}

void untie(Json& config) {
  if (!config.contains("scale_decoder_outputs")) {
    const auto tied = config.find("tie_word_embeddings");
    const bool scaled = tied == config.end() || !tied->is_boolean() || tied->get<bool>();
    config["scale_decoder_outputs"] = scaled;
  }
  config["tie_word_embeddings"] = false;
}

}  // namespace luthier::t5
