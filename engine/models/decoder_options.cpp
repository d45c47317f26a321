// SPDX-License-Identifier: GPL-3.0-or-later
// A text config into DecoderOptions: one row a configuration class of transformers 5.17, with its
// defaults.
#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/decoder.h"
#include "engine/models/decoder_positions.h"
#include "engine/models/decoder_switches.h"
#include "engine/models/expert_options.h"
#include "engine/models/mllama/across_options.h"

namespace luthier {

namespace {

enum class Windows { None, EveryLayer, WhereGiven, FromLayer, Alternating, Unturned, Turning };

struct Kind {
  const char* type;
  std::int64_t vocab, hidden, intermediate, layers, heads, kv_heads,
      head_dim;  // intermediate 0: no layer has an MLP of its own; kv_heads 0: as heads; head_dim
                 // 0: hidden / heads; −1: that, whatever the file says
  double eps, theta;
  std::int64_t positions;
  const char* activation;
  bool tied = false, qkv_bias = false, bias_option = false, mlp_bias_option = false,
       qk_norm = false, gemma = false, sandwich = false, two_rotaries = false, glm = false,
       scaled_queries = false, gemma4 = false, cohere = false, across = false, phi3 = false;
  Windows windows = Windows::None;
  std::int64_t window_layers = 28;          // max_window_layers, or the length of an alternation
  std::vector<std::int64_t> sections = {};  // M-RoPE
  bool interleaved = false;
  ExpertDefaults experts = {};
  double partial = 1;  // of a head that is turned
  bool delta = false;  // layers by the gated delta rule, and a gate behind attention
  bool lfm2 = false;   // layers by a gated short convolution, names of its own
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> table{
      {.type = "llama",
       .vocab = 32000,
       .hidden = 4096,
       .intermediate = 11008,
       .layers = 32,
       .heads = 32,
       .kv_heads = 0,
       .head_dim = 0,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 2048,
       .activation = "silu",
       .bias_option = true,
       .mlp_bias_option = true},
      {.type = "mistral",
       .vocab = 32000,
       .hidden = 4096,
       .intermediate = 14336,
       .layers = 32,
       .heads = 32,
       .kv_heads = 8,
       .head_dim = 0,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 131072,
       .activation = "silu",
       .windows = Windows::EveryLayer},
      {.type = "ministral3",
       .vocab = 131072,
       .hidden = 4096,
       .intermediate = 14336,
       .layers = 34,
       .heads = 32,
       .kv_heads = 8,
       .head_dim = 128,
       .eps = 1e-5,
       .theta = 10000,
       .positions = 262144,
       .activation = "silu",
       .scaled_queries = true,
       .windows = Windows::WhereGiven},
      {.type = "qwen2",
       .vocab = 151936,
       .hidden = 4096,
       .intermediate = 22016,
       .layers = 32,
       .heads = 32,
       .kv_heads = 32,
       .head_dim = 0,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 32768,
       .activation = "silu",
       .qkv_bias = true,
       .windows = Windows::FromLayer},
      {.type = "qwen3",
       .vocab = 151936,
       .hidden = 4096,
       .intermediate = 22016,
       .layers = 32,
       .heads = 32,
       .kv_heads = 32,
       .head_dim = 128,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 32768,
       .activation = "silu",
       .bias_option = true,
       .qk_norm = true,
       .windows = Windows::FromLayer},
      {.type = "smollm3",
       .vocab = 128256,
       .hidden = 2048,
       .intermediate = 11008,
       .layers = 36,
       .heads = 16,
       .kv_heads = 4,
       .head_dim = 0,
       .eps = 1e-6,
       .theta = 2e6,
       .positions = 32768,
       .activation = "silu",
       .tied = true,
       .bias_option = true,
       .mlp_bias_option = true,
       .windows = Windows::Unturned},
      {.type = "lfm2",
       .vocab = 65536,
       .hidden = 2560,
       .intermediate = 12288,
       .layers = 32,
       .heads = 32,
       .kv_heads = 8,
       .head_dim = 0,
       .eps = 1e-5,
       .theta = 1e6,
       .positions = 128000,
       .activation = "silu",
       .tied = true,
       .qk_norm = true,
       .lfm2 = true},
      {.type = "cohere2",
       .vocab = 256000,
       .hidden = 8192,
       .intermediate = 22528,
       .layers = 40,
       .heads = 64,
       .kv_heads = 0,
       .head_dim = 0,
       .eps = 1e-5,
       .theta = 10000,
       .positions = 8192,
       .activation = "silu",
       .tied = true,
       .bias_option = true,
       .cohere = true,
       .windows = Windows::Turning},
      {.type = "phi3",
       .vocab = 32064,
       .hidden = 3072,
       .intermediate = 8192,
       .layers = 32,
       .heads = 32,
       .kv_heads = 0,
       .head_dim = 0,
       .eps = 1e-5,
       .theta = 10000,
       .positions = 4096,
       .activation = "silu",
       .phi3 = true,
       .windows = Windows::WhereGiven},
      {.type = "mllama_text_model",
       .vocab = 128256,
       .hidden = 4096,
       .intermediate = 14336,
       .layers = 40,
       .heads = 32,
       .kv_heads = 8,
       .head_dim = -1,
       .eps = 1e-5,
       .theta = 5e5,
       .positions = 131072,
       .activation = "silu",
       .across = true},
      {.type = "qwen2_vl_text",
       .vocab = 152064,
       .hidden = 8192,
       .intermediate = 29568,
       .layers = 80,
       .heads = 64,
       .kv_heads = 8,
       .head_dim = -1,
       .eps = 1e-5,
       .theta = 1e6,
       .positions = 32768,
       .activation = "silu",
       .qkv_bias = true,
       .windows = Windows::FromLayer,
       .window_layers = 80,
       .sections = {16, 24, 24}},
      {.type = "qwen2_5_vl_text",
       .vocab = 152064,
       .hidden = 8192,
       .intermediate = 29568,
       .layers = 80,
       .heads = 64,
       .kv_heads = 8,
       .head_dim = -1,
       .eps = 1e-5,
       .theta = 1e6,
       .positions = 32768,
       .activation = "silu",
       .qkv_bias = true,
       .windows = Windows::FromLayer,
       .window_layers = 80,
       .sections = {16, 24, 24}},
      {.type = "qwen3_vl_text",
       .vocab = 151936,
       .hidden = 4096,
       .intermediate = 22016,
       .layers = 32,
       .heads = 32,
       .kv_heads = 32,
       .head_dim = 128,
       .eps = 1e-6,
       .theta = 5e5,
       .positions = 128000,
       .activation = "silu",
       .bias_option = true,
       .qk_norm = true,
       .sections = {24, 20, 20},
       .interleaved = true},
      {.type = "qwen3_vl_moe_text",
       .vocab = 151936,
       .hidden = 2048,
       .intermediate = 5632,
       .layers = 24,
       .heads = 16,
       .kv_heads = 16,
       .head_dim = 0,
       .eps = 1e-6,
       .theta = 5e5,
       .positions = 128000,
       .activation = "silu",
       .tied = true,
       .bias_option = true,
       .qk_norm = true,
       .sections = {24, 20, 20},
       .interleaved = true,
       .experts = {.count = 60, .each = 4, .intermediate_size = 1408}},
      {.type = "qwen3_5_text",
       .vocab = 248320,
       .hidden = 4096,
       .intermediate = 12288,
       .layers = 32,
       .heads = 16,
       .kv_heads = 4,
       .head_dim = 256,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 32768,
       .activation = "silu",
       .bias_option = true,
       .qk_norm = true,
       .sections = {11, 11, 10},
       .interleaved = true,
       .partial = 0.25,
       .delta = true},
      {.type = "qwen3_5_moe_text",
       .vocab = 248320,
       .hidden = 2048,
       .intermediate = 0,
       .layers = 40,
       .heads = 16,
       .kv_heads = 2,
       .head_dim = 256,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 32768,
       .activation = "silu",
       .bias_option = true,
       .qk_norm = true,
       .sections = {11, 11, 10},
       .interleaved = true,
       .experts = {.count = 256,
                   .each = 8,
                   .intermediate_size = 512,
                   .shared_intermediate_size = 512,
                   .every_layer = true,
                   .tells_routing = true},
       .partial = 0.25,
       .delta = true},
      {.type = "gemma",
       .vocab = 256000,
       .hidden = 3072,
       .intermediate = 24576,
       .layers = 28,
       .heads = 16,
       .kv_heads = 16,
       .head_dim = 256,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 8192,
       .activation = "gelu_pytorch_tanh",
       .tied = true,
       .bias_option = true,
       .gemma = true},
      {.type = "glm4v_text",
       .vocab = 151552,
       .hidden = 4096,
       .intermediate = 13696,
       .layers = 40,
       .heads = 32,
       .kv_heads = 2,
       .head_dim = -1,
       .eps = 1e-5,
       .theta = 10000,
       .positions = 32768,
       .activation = "silu",
       .qkv_bias = true,
       .glm = true,
       .sections = {8, 12, 12}},
      {.type = "gemma2",
       .vocab = 256000,
       .hidden = 2304,
       .intermediate = 9216,
       .layers = 26,
       .heads = 8,
       .kv_heads = 4,
       .head_dim = 256,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 8192,
       .activation = "gelu_pytorch_tanh",
       .tied = true,
       .bias_option = true,
       .gemma = true,
       .sandwich = true,
       .windows = Windows::Alternating,
       .window_layers = 2},
      {.type = "gemma4_text",
       .vocab = 262144,
       .hidden = 2304,
       .intermediate = 9216,
       .layers = 30,
       .heads = 8,
       .kv_heads = 4,
       .head_dim = 256,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 131072,
       .activation = "gelu_pytorch_tanh",
       .tied = true,
       .bias_option = true,
       .sandwich = true,
       .gemma4 = true},
      {.type = "gemma4_unified_text",
       .vocab = 262144,
       .hidden = 2304,
       .intermediate = 9216,
       .layers = 30,
       .heads = 8,
       .kv_heads = 4,
       .head_dim = 256,
       .eps = 1e-6,
       .theta = 10000,
       .positions = 262144,
       .activation = "gelu_pytorch_tanh",
       .tied = true,
       .bias_option = true,
       .sandwich = true,
       .gemma4 = true},
      {.type = "gemma3_text",
       .vocab = 262208,
       .hidden = 2304,
       .intermediate = 9216,
       .layers = 26,
       .heads = 8,
       .kv_heads = 4,
       .head_dim = 256,
       .eps = 1e-6,
       .theta = 1e6,
       .positions = 131072,
       .activation = "gelu_pytorch_tanh",
       .tied = true,
       .bias_option = true,
       .qk_norm = true,
       .gemma = true,
       .sandwich = true,
       .two_rotaries = true,
       .windows = Windows::Alternating,
       .window_layers = 6},
  };
  return table;
}

/// Mistral: every layer, and so are Ministral 3 and Phi-3, where a window is given. Others:
/// layer_types says it where it stands; else Qwen: from max_window_layers on, when
/// use_sliding_window; Gemma: all but every n-th.
Result<std::vector<std::optional<std::int64_t>>> read_windows(const Json& config,
                                                              const std::string& where,
                                                              const Kind& kind,
                                                              std::int64_t layers) {
  std::vector<std::optional<std::int64_t>> windows(static_cast<std::size_t>(layers));
  const bool none = kind.windows == Windows::None || kind.windows == Windows::Unturned ||
                    kind.windows == Windows::Turning;
  const auto found = config.find("sliding_window");
  if (none || (found != config.end() && found->is_null())) return windows;
  if (kind.windows == Windows::WhereGiven && found == config.end()) return windows;
  LUTHIER_TRY(std::int64_t window, json_int(config, "sliding_window", where, 4096));
  LUTHIER_CHECK(in_range(window, 1, 1ll << 40, where, "sliding_window"));
  if (kind.windows == Windows::EveryLayer || kind.windows == Windows::WhereGiven) {
    for (auto& each : windows) each = window;
    return windows;
  }
  std::int64_t first = 0, period = 0;
  if (kind.windows == Windows::FromLayer) {
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

Status read_sizes(const Json& config, const std::string& where, const Kind& kind,
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

Status read_gemma(const Json& config, const std::string& where, const Kind& kind,
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
  const Kind* kind = nullptr;
  std::string known;
  for (const Kind& each : kinds()) {
    if (o.model_type == each.type) kind = &each;
    known += (known.empty() ? "" : ", ") + std::string(each.type);
  }
  if (!kind)
    return input_error("The decoder \"" + o.model_type + "\" is not known.", where + ": model_type",
                       "Known are " + known + ".");
  LUTHIER_CHECK(read_sizes(config, where, *kind, o));
  const char* epsilon = kind->lfm2 ? "norm_eps" : kind->cohere ? "layer_norm_eps" : "rms_norm_eps";
  LUTHIER_TRY(o.rms_norm_eps, json_number(config, epsilon, where, kind->eps));
  LUTHIER_TRY(o.initializer_range, json_number(config, "initializer_range", where, 0.02));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, kind->tied));
  const char* key = kind->sandwich ? "hidden_activation" : "hidden_act";
  std::string act = kind->activation;
  if (!kind->lfm2) {  // whose activation is fixed
    LUTHIER_TRY(act, json_string(config, key, where, act));
  }
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": " + key));
  o.qkv_bias = kind->qkv_bias;
  if (kind->bias_option) {
    LUTHIER_TRY(o.qkv_bias, json_bool(config, "attention_bias", where, false));
    o.o_bias = o.qkv_bias;
  }
  if (kind->mlp_bias_option) {
    LUTHIER_TRY(o.mlp_bias, json_bool(config, "mlp_bias", where, false));
  }
  o.qk_norm = kind->qk_norm;
  o.sandwich_norms = kind->sandwich;
  o.norms_by_place = o.fused_mlp = o.neighbours_turn = kind->glm;
  if (kind->cohere) LUTHIER_CHECK(read_cohere(config, where, o));
  if (kind->gemma) {
    LUTHIER_CHECK(read_gemma(config, where, *kind, o));
  }
  if (kind->gemma4) {
    LUTHIER_CHECK(read_gemma4_layers(config, where, o));
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
  if (kind->windows == Windows::Unturned) LUTHIER_CHECK(read_unturned(config, where, o));
  if (kind->windows == Windows::Turning) LUTHIER_CHECK(read_turning_windows(config, where, o));
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
