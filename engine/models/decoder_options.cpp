// SPDX-License-Identifier: GPL-3.0-or-later
// A text config into DecoderOptions: what a row of decoder_kinds.cpp says, and what the file does.
#include <cmath>

#include "engine/models/chameleon/chameleon_layer.h"
#include "engine/models/config_numbers.h"
#include "engine/models/decoder.h"
#include "engine/models/decoder_kinds.h"
#include "engine/models/decoder_positions.h"
#include "engine/models/decoder_switches.h"
#include "engine/models/expert_options.h"
#include "engine/models/fuyu/persimmon_layer.h"
#include "engine/models/idefics/gated_layer.h"
#include "engine/models/mllama/across_options.h"

namespace luthier {

namespace {

/// Mistral: every layer, and so are Ministral 3 and Phi-3, where a window is given. Others:
/// layer_types says it where it stands; else Qwen: from max_window_layers on, when
/// use_sliding_window; Gemma: all but every n-th.
Result<std::vector<std::optional<std::int64_t>>> read_windows(const Json& config,
                                                              const std::string& where,
                                                              const DecoderKind& kind,
                                                              std::int64_t layers) {
  std::vector<std::optional<std::int64_t>> windows(static_cast<std::size_t>(layers));
  const bool none = kind.windows == DecoderWindows::None ||
                    kind.windows == DecoderWindows::Unturned ||
                    kind.windows == DecoderWindows::Turning;
  const auto found = config.find("sliding_window");
  if (none || (found != config.end() && found->is_null())) return windows;
  if (kind.windows == DecoderWindows::WhereGiven && found == config.end()) return windows;
  LUTHIER_TRY(std::int64_t window, json_int(config, "sliding_window", where, 4096));
  LUTHIER_CHECK(in_range(window, 1, 1ll << 40, where, "sliding_window"));
  if (kind.windows == DecoderWindows::EveryLayer || kind.windows == DecoderWindows::WhereGiven) {
    for (auto& each : windows) each = window;
    return windows;
  }
  std::int64_t first = 0, period = 0;
  if (kind.windows == DecoderWindows::FromLayer) {
    LUTHIER_TRY(bool use, json_bool(config, "use_sliding_window", where, false));
    if (!use) return windows;
    LUTHIER_TRY(first, json_int(config, "max_window_layers", where, kind.window_layers));
  } else {
    period = kind.window_layers;
    if (kind.two_rotaries) {  // Gemma 2's is fixed
      LUTHIER_TRY(period, json_int(config, "sliding_window_pattern", where, period));
      LUTHIER_CHECK(in_range(period, 1, 1 << 16, where, "sliding_window_pattern"));
    }
  }
  LUTHIER_TRY(const std::vector<bool> listed, read_listed_windows(config, where, layers));
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    const bool sliding = !listed.empty() ? listed[i]
                         : period > 0    ? (layer + 1) % period != 0
                                         : layer >= first;
    if (sliding) windows[i] = window;
  }
  return windows;
}

Status read_sizes(const Json& config, const std::string& where, const DecoderKind& kind,
                  DecoderOptions& o) {
  LUTHIER_TRY(o.vocab_size, json_int(config, "vocab_size", where, kind.vocab));
  LUTHIER_TRY(o.hidden_size, json_int(config, "hidden_size", where, kind.hidden));
  LUTHIER_TRY(o.num_hidden_layers, json_int(config, "num_hidden_layers", where, kind.layers));
  LUTHIER_TRY(o.num_attention_heads, json_int(config, "num_attention_heads", where, kind.heads));
  // An absent key means the class default; an explicit null means as many as there are heads.
  std::int64_t default_kv = kind.kv_heads > 0 ? kind.kv_heads : o.num_attention_heads;
  if (config.contains("num_key_value_heads") && config["num_key_value_heads"].is_null())
    default_kv = o.num_attention_heads;
  LUTHIER_TRY(o.num_key_value_heads, json_int(config, "num_key_value_heads", where, default_kv));
  LUTHIER_CHECK(in_range(o.vocab_size, 1, 1 << 24, where, "vocab_size"));
  LUTHIER_CHECK(in_range(o.hidden_size, 1, 1 << 20, where, "hidden_size"));
  if (kind.intermediate > 0) {
    LUTHIER_TRY(o.intermediate_size,
                json_int(config, "intermediate_size", where, kind.intermediate));
    LUTHIER_CHECK(in_range(o.intermediate_size, 1, 1 << 22, where, "intermediate_size"));
  }
  LUTHIER_CHECK(in_range(o.num_hidden_layers, 1, 4096, where, "num_hidden_layers"));
  LUTHIER_CHECK(in_range(o.num_attention_heads, 1, 1 << 16, where, "num_attention_heads"));
  LUTHIER_CHECK(
      in_range(o.num_key_value_heads, 1, o.num_attention_heads, where, "num_key_value_heads"));
  if (o.num_attention_heads % o.num_key_value_heads != 0) {
    return input_error("num_attention_heads (" + std::to_string(o.num_attention_heads) +
                           ") is not a multiple of num_key_value_heads (" +
                           std::to_string(o.num_key_value_heads) + ").",
                       where + ": num_key_value_heads");
  }
  const std::int64_t share = o.hidden_size / o.num_attention_heads;
  o.head_dim = share;
  if (kind.head_dim >= 0) {
    LUTHIER_TRY(o.head_dim,
                json_int(config, "head_dim", where, kind.head_dim > 0 ? kind.head_dim : share));
  }
  return in_range(o.head_dim, 2, 1 << 14, where, "head_dim");
}

Status read_gemma(const Json& config, const std::string& where, const DecoderKind& kind,
                  DecoderOptions& o) {
  o.centred_norms = true;
  o.embedding_scale = std::sqrt(static_cast<double>(o.hidden_size));
  LUTHIER_TRY(const bool both_ways, json_bool(config, "use_bidirectional_attention", where, false));
  if (both_ways)
    return input_error("Decoders without a causal mask cannot be trained here.",
                       where + ": use_bidirectional_attention");
  if (!kind.sandwich) return {};
  LUTHIER_TRY(const double scalar, json_number(config, "query_pre_attn_scalar", where, 256));
  if (!(scalar > 0) || !std::isfinite(scalar))
    return input_error("A number above 0 is expected.", where + ": query_pre_attn_scalar");
  o.attention_scale = 1 / std::sqrt(scalar);
  if (o.model_type != "gemma2") return {};
  const auto cap = config.find("attn_logit_softcapping");
  if (cap != config.end() && cap->is_null()) return {};
  LUTHIER_TRY(o.attention_softcap, json_number(config, "attn_logit_softcapping", where, 50.0));
  if (!(o.attention_softcap > 0))
    return input_error("A number above 0, or null, is expected.",
                       where + ": attn_logit_softcapping");
  return {};
}

}  // namespace

Result<DecoderOptions> read_decoder_options(const Json& config, const std::string& where,
                                            const std::string& default_type) {
  DecoderOptions o;
  LUTHIER_TRY(o.model_type, json_string(config, "model_type", where, default_type));
  const DecoderKind* kind = nullptr;
  std::string known;
  for (const DecoderKind& each : decoder_kinds()) {
    if (o.model_type == each.type) kind = &each;
    known += (known.empty() ? "" : ", ") + std::string(each.type);
  }
  if (!kind)
    return input_error("The decoder \"" + o.model_type + "\" is not known.", where + ": model_type",
                       "Known are " + known + ".");
  LUTHIER_CHECK(read_sizes(config, where, *kind, o));
  const char* epsilon = kind->lfm2                        ? "norm_eps"
                        : kind->cohere || kind->persimmon ? "layer_norm_eps"
                                                          : "rms_norm_eps";
  LUTHIER_TRY(o.rms_norm_eps, json_number(config, epsilon, where, kind->eps));
  LUTHIER_TRY(o.initializer_range, json_number(config, "initializer_range", where, 0.02));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, kind->tied));
  const char* key = kind->sandwich ? "hidden_activation" : "hidden_act";
  std::string act = kind->activation;
  if (!kind->lfm2 && !kind->persimmon) {  // whose activation is fixed
    LUTHIER_TRY(act, json_string(config, key, where, act));
  }
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": " + key));
  o.qkv_bias = kind->qkv_bias;
  if (kind->bias_option) {
    LUTHIER_TRY(o.qkv_bias, json_bool(config, "attention_bias", where, false));
    o.o_bias = o.qkv_bias;
  }
  if (kind->qkv_option) {
    LUTHIER_TRY(o.qkv_bias, json_bool(config, "attention_bias", where, true));
  }
  if (kind->mlp_bias_option) {
    LUTHIER_TRY(o.mlp_bias, json_bool(config, "mlp_bias", where, false));
  }
  o.qk_norm = kind->qk_norm;
  o.norms_by_place = kind->norms_by_place;
  if (kind->chameleon) LUTHIER_CHECK(read_chameleon_layers(config, where, o));
  if (kind->idefics) LUTHIER_CHECK(read_idefics_layers(config, where, o));
  if (kind->persimmon) LUTHIER_CHECK(read_persimmon(config, where, o));
  o.sandwich_norms = kind->sandwich;
  o.fused_mlp = o.neighbours_turn = kind->glm;
  if (kind->cohere) LUTHIER_CHECK(read_cohere(config, where, o));
  if (kind->gemma) {
    LUTHIER_CHECK(read_gemma(config, where, *kind, o));
  }
  if (kind->gemma4) {
    LUTHIER_CHECK(read_gemma4_layers(config, where, o));
    return o;
  }
  if (kind->gemma3n) {
    LUTHIER_CHECK(read_gemma3n_layers(config, where, o));
    return o;
  }
  o.two_rotaries = o.window_in_blocks = kind->two_rotaries;
  if (o.two_rotaries) {
    LUTHIER_TRY(o.rotary, read_layer_rotary(config, o.head_dim, where,
                                            {kind->theta, kind->positions, {}, false, 1}, false));
    LUTHIER_TRY(o.local_rotary,
                read_layer_rotary(config, o.head_dim, where,
                                  {kind->theta, kind->positions, {}, false, 1}, true));
  } else if (kind->phi3) {
    LUTHIER_CHECK(read_phi3(config, where, {kind->theta, kind->positions, {}, false, 1}, o));
  } else if (kind->scaled_queries) {
    LUTHIER_CHECK(
        read_scaled_queries(config, where, {kind->theta, kind->positions, {}, false, 1}, o));
  } else {
    LUTHIER_TRY(o.rotary, read_rotary_options(config, o.head_dim, where,
                                              {kind->theta, kind->positions, kind->sections,
                                               kind->interleaved, kind->partial}));
  }
  LUTHIER_TRY(o.sliding_windows, read_windows(config, where, *kind, o.num_hidden_layers));
  if (kind->windows == DecoderWindows::Unturned) LUTHIER_CHECK(read_unturned(config, where, o));
  if (kind->windows == DecoderWindows::Turning)
    LUTHIER_CHECK(read_turning_windows(config, where, o));
  if (kind->across) LUTHIER_CHECK(read_across_layers(config, where, o));
  if (kind->delta) {
    o.centred_norms = o.attention_gate = true;
    LUTHIER_TRY(o.delta, read_delta_options(config, where, o.num_hidden_layers));
  }
  if (kind->lfm2) {
    o.lfm2_names = true;
    LUTHIER_CHECK(read_lfm2(config, where, o));
  }
  if (kind->experts.count > 0) {
    LUTHIER_TRY(o.experts, read_expert_options(config, where, kind->experts, o.num_hidden_layers));
  }
  return o;
}

}  // namespace luthier
