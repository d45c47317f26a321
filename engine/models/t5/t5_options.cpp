// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/t5/t5_options.h"

#include <cmath>
#include <string_view>

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
  const auto read = [&](std::int64_t& value, const char* key, std::int64_t least,
                        std::int64_t most) -> Status {
    LUTHIER_TRY(value, json_int(config, key, where, value));
    if (value >= least && value <= most) return {};
    return input_error(std::string(key) + " is " + std::to_string(value) + ", expected " +
                           std::to_string(least) + " to " + std::to_string(most) + ".",
                       where + ": " + key, kDamaged);
  };
  LUTHIER_CHECK(read(o.vocab_size, "vocab_size", 1, 1 << 24));
  LUTHIER_CHECK(read(o.d_model, "d_model", 1, 1 << 20));
  LUTHIER_CHECK(read(o.d_kv, "d_kv", 1, 1 << 16));
  LUTHIER_CHECK(read(o.d_ff, "d_ff", 1, 1 << 22));
  LUTHIER_CHECK(read(o.num_layers, "num_layers", 1, 4096));
  o.num_decoder_layers = o.num_layers;
  LUTHIER_CHECK(read(o.num_decoder_layers, "num_decoder_layers", 1, 4096));
  LUTHIER_CHECK(read(o.num_heads, "num_heads", 1, 1 << 16));
  LUTHIER_CHECK(read(o.buckets, "relative_attention_num_buckets", 4, 1 << 16));
  // Half of the decoder's buckets are single steps; the others go by the distance's logarithm.
  LUTHIER_CHECK(
      read(o.max_distance, "relative_attention_max_distance", o.buckets / 2 + 1, 1 << 24));
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
