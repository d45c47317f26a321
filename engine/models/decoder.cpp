// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/decoder.h"

#include "engine/nn/checkpointing.h"

namespace luthier {

using torch::Tensor;

namespace {

Status in_range(std::int64_t value, std::int64_t low, std::int64_t high, const std::string& where, const char* key) {
  if (value >= low && value <= high) return {};
  return input_error(std::string(key) + " is " + std::to_string(value) + ", expected " + std::to_string(low) + " to " + std::to_string(high) + ".",
                     where + ": " + key, "The checkpoint's configuration is damaged or not of this kind.");
}

/// Mistral: one window for every layer. Qwen2: by layer_types, or from max_window_layers on, when use_sliding_window.
Result<std::vector<std::optional<std::int64_t>>> read_windows(const Json& config, const std::string& where, const DecoderOptions& options) {
  std::vector<std::optional<std::int64_t>> windows(static_cast<std::size_t>(options.num_hidden_layers));
  if (options.model_type == "llama") return windows;
  const bool mistral = options.model_type == "mistral";
  const auto found = config.find("sliding_window");
  if (found != config.end() && found->is_null()) return windows;
  LUTHIER_TRY(std::int64_t window, json_int(config, "sliding_window", where, 4096));
  LUTHIER_CHECK(in_range(window, 1, 1ll << 40, where, "sliding_window"));
  if (mistral) {
    for (auto& each : windows) each = window;
    return windows;
  }
  LUTHIER_TRY(bool use, json_bool(config, "use_sliding_window", where, false));
  if (!use) return windows;
  LUTHIER_TRY(std::int64_t first, json_int(config, "max_window_layers", where, 28));
  const auto types = config.find("layer_types");
  const bool listed = types != config.end() && types->is_array() && types->size() == windows.size();
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const bool sliding = listed ? (*types)[i] == "sliding_attention" : static_cast<std::int64_t>(i) >= first;
    if (sliding) windows[i] = window;
  }
  return windows;
}

}  // namespace

Result<DecoderOptions> read_decoder_options(const Json& config, const std::string& where) {
  DecoderOptions o;
  LUTHIER_TRY(o.model_type, json_string(config, "model_type", where, "llama"));
  const bool llama = o.model_type == "llama", mistral = o.model_type == "mistral", qwen2 = o.model_type == "qwen2";
  if (!llama && !mistral && !qwen2) {
    return input_error("The decoder \"" + o.model_type + "\" is not known.", where + ": model_type", "Known are llama, mistral and qwen2.");
  }
  const std::int64_t default_intermediate = llama ? 11008 : mistral ? 14336 : 22016;
  LUTHIER_TRY(o.vocab_size, json_int(config, "vocab_size", where, qwen2 ? 151936 : 32000));
  LUTHIER_TRY(o.hidden_size, json_int(config, "hidden_size", where, 4096));
  LUTHIER_TRY(o.intermediate_size, json_int(config, "intermediate_size", where, default_intermediate));
  LUTHIER_TRY(o.num_hidden_layers, json_int(config, "num_hidden_layers", where, 32));
  LUTHIER_TRY(o.num_attention_heads, json_int(config, "num_attention_heads", where, 32));
  // An absent key means the class default; an explicit null means as many as there are heads.
  std::int64_t default_kv = mistral ? 8 : qwen2 ? 32 : o.num_attention_heads;
  if (config.contains("num_key_value_heads") && config["num_key_value_heads"].is_null()) default_kv = o.num_attention_heads;
  LUTHIER_TRY(o.num_key_value_heads, json_int(config, "num_key_value_heads", where, default_kv));
  LUTHIER_CHECK(in_range(o.vocab_size, 1, 1 << 24, where, "vocab_size"));
  LUTHIER_CHECK(in_range(o.hidden_size, 1, 1 << 20, where, "hidden_size"));
  LUTHIER_CHECK(in_range(o.intermediate_size, 1, 1 << 22, where, "intermediate_size"));
  LUTHIER_CHECK(in_range(o.num_hidden_layers, 1, 4096, where, "num_hidden_layers"));
  LUTHIER_CHECK(in_range(o.num_attention_heads, 1, 1 << 16, where, "num_attention_heads"));
  LUTHIER_CHECK(in_range(o.num_key_value_heads, 1, o.num_attention_heads, where, "num_key_value_heads"));
  if (o.num_attention_heads % o.num_key_value_heads != 0) {
    return input_error("num_attention_heads (" + std::to_string(o.num_attention_heads) + ") is not a multiple of num_key_value_heads (" +
                           std::to_string(o.num_key_value_heads) + ").", where + ": num_key_value_heads");
  }
  LUTHIER_TRY(o.head_dim, json_int(config, "head_dim", where, o.hidden_size / o.num_attention_heads));
  LUTHIER_CHECK(in_range(o.head_dim, 2, 1 << 14, where, "head_dim"));
  LUTHIER_TRY(o.rms_norm_eps, json_number(config, "rms_norm_eps", where, 1e-6));
  LUTHIER_TRY(o.initializer_range, json_number(config, "initializer_range", where, 0.02));
  LUTHIER_TRY(std::string act, json_string(config, "hidden_act", where, "silu"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": hidden_act"));
  if (llama) {
    LUTHIER_TRY(o.qkv_bias, json_bool(config, "attention_bias", where, false));
    o.o_bias = o.qkv_bias;
    LUTHIER_TRY(o.mlp_bias, json_bool(config, "mlp_bias", where, false));
  }
  if (qwen2) o.qkv_bias = true;
  LUTHIER_TRY(o.rotary, read_rotary_options(config, o.head_dim, where));
  LUTHIER_TRY(o.sliding_windows, read_windows(config, where, o));
  return o;
}

SelfAttentionImpl::SelfAttentionImpl(const DecoderOptions& o, std::int64_t layer, const torch::TensorOptions& tensors)
    : layer_(layer), heads_(o.num_attention_heads), kv_heads_(o.num_key_value_heads), head_dim_(o.head_dim),
      sliding_window_(o.sliding_windows.at(static_cast<std::size_t>(layer))) {
  q_proj_ = register_module("q_proj", Linear(o.hidden_size, heads_ * head_dim_, o.qkv_bias, tensors));
  k_proj_ = register_module("k_proj", Linear(o.hidden_size, kv_heads_ * head_dim_, o.qkv_bias, tensors));
  v_proj_ = register_module("v_proj", Linear(o.hidden_size, kv_heads_ * head_dim_, o.qkv_bias, tensors));
  o_proj_ = register_module("o_proj", Linear(heads_ * head_dim_, o.hidden_size, o.o_bias, tensors));
}

Tensor SelfAttentionImpl::forward(const Tensor& x, const RotaryTable& rotary, KeyValueCache* cache) {
  const std::int64_t batch = x.size(0), seq = x.size(1);
  const auto split = [&](const Tensor& y, std::int64_t heads) { return y.view({batch, seq, heads, head_dim_}).transpose(1, 2); };
  Tensor query = rotate(split(q_proj_(x), heads_), rotary);        // [batch, heads, seq, head_dim]
  Tensor key = rotate(split(k_proj_(x), kv_heads_), rotary);       // [batch, kv_heads, seq, head_dim]
  Tensor value = split(v_proj_(x), kv_heads_);
  if (cache) std::tie(key, value) = cache->append(layer_, key, value);
  const Tensor mixed = attend(query, key, value, /*causal=*/true, sliding_window_);
  return o_proj_(mixed.transpose(1, 2).reshape({batch, seq, heads_ * head_dim_}));
}

GatedMlpImpl::GatedMlpImpl(const DecoderOptions& o, const torch::TensorOptions& tensors) : activation_(o.hidden_act) {
  gate_proj_ = register_module("gate_proj", Linear(o.hidden_size, o.intermediate_size, o.mlp_bias, tensors));
  up_proj_ = register_module("up_proj", Linear(o.hidden_size, o.intermediate_size, o.mlp_bias, tensors));
  down_proj_ = register_module("down_proj", Linear(o.intermediate_size, o.hidden_size, o.mlp_bias, tensors));
}

Tensor GatedMlpImpl::forward(const Tensor& x) { return down_proj_(gated(gate_proj_(x), up_proj_(x), activation_)); }

DecoderLayerImpl::DecoderLayerImpl(const DecoderOptions& o, std::int64_t layer, const torch::TensorOptions& tensors) {
  self_attn_ = register_module("self_attn", SelfAttention(o, layer, tensors));
  mlp_ = register_module("mlp", GatedMlp(o, tensors));
  input_layernorm_ = register_module("input_layernorm", RmsNorm(o.hidden_size, o.rms_norm_eps, tensors));
  post_attention_layernorm_ = register_module("post_attention_layernorm", RmsNorm(o.hidden_size, o.rms_norm_eps, tensors));
}

Tensor DecoderLayerImpl::forward(const Tensor& x, const RotaryTable& rotary, KeyValueCache* cache) {
  const Tensor attended = x + self_attn_(input_layernorm_(x), rotary, cache);
  return attended + mlp_(post_attention_layernorm_(attended));
}

DecoderImpl::DecoderImpl(const DecoderOptions& o, const torch::TensorOptions& tensors) : options(o) {
  embed_tokens = register_module("embed_tokens", Embedding(o.vocab_size, o.hidden_size, tensors));
  torch::nn::ModuleList layers;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.emplace_back(o, i, tensors);
    layers->push_back(layers_.back());
  }
  register_module("layers", layers);
  norm_ = register_module("norm", RmsNorm(o.hidden_size, o.rms_norm_eps, tensors));
  frequencies_ = rotary_frequencies(o.rotary);
}

Tensor DecoderImpl::forward(const Tensor& embeddings, KeyValueCache* cache, bool checkpointing) {
  const std::int64_t start = cache ? cache->length() : 0, seq = embeddings.size(1);
  if (frequencies_.device() != embeddings.device()) frequencies_ = frequencies_.to(embeddings.device());
  const Tensor positions = torch::arange(start, start + seq, embeddings.options().dtype(torch::kInt64)).unsqueeze(0);
  const RotaryTable rotary = rotary_table(frequencies_, positions, embeddings.scalar_type());
  Tensor x = embeddings;
  for (auto& layer : layers_) {
    if (checkpointing && !cache) {
      x = checkpointed([&layer, rotary](const Tensor& in) { return layer(in, rotary, nullptr); }, x);
    } else {
      x = layer(x, rotary, cache);
    }
  }
  if (cache) cache->advance(seq);
  return norm_(x);
}

}  // namespace luthier
