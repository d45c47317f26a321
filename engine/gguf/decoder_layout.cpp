// SPDX-License-Identifier: GPL-3.0-or-later
// Decoders: the names and fields of llama.cpp's architectures llama, qwen2, qwen3, qwen2vl, qwen3vl
// and gemma3. Its "llama" turns neighbouring features of queries and keys together, where
// transformers turns a head's halves, so their rows change places; the others turn halves too.
#include <array>
#include <cmath>
#include <numbers>

#include "engine/gguf/layout.h"
#include "engine/models/decoder.h"

namespace luthier {

namespace {

struct Architecture {
  const char* type;  ///< of DecoderOptions
  const char* name;
  bool neighbours = false;  ///< turned together
};
constexpr std::array kArchitectures{
    Architecture{"llama", "llama", true},     Architecture{"mistral", "llama", true},
    Architecture{"qwen2", "qwen2"},           Architecture{"qwen3", "qwen3"},
    Architecture{"qwen2_vl_text", "qwen2vl"}, Architecture{"qwen2_5_vl_text", "qwen2vl"},
    Architecture{"qwen3_vl_text", "qwen3vl"}, Architecture{"gemma3_text", "gemma3"},
};

/// Gemma 3's windows in llama.cpp: all layers but every sixth.
constexpr std::size_t kGemmaPeriod = 6;

const std::vector<GgufName>& layer_names(bool sandwich) {
  static const std::vector<GgufName> kPlain{{"embed_tokens", "token_embd"},
                                            {"norm", "output_norm"},
                                            {"layers.#.input_layernorm", "blk.#.attn_norm"},
                                            {"layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
                                            {"layers.#.self_attn.q_proj", "blk.#.attn_q"},
                                            {"layers.#.self_attn.k_proj", "blk.#.attn_k"},
                                            {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
                                            {"layers.#.self_attn.o_proj", "blk.#.attn_output"},
                                            {"layers.#.self_attn.q_norm", "blk.#.attn_q_norm"},
                                            {"layers.#.self_attn.k_norm", "blk.#.attn_k_norm"},
                                            {"layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
                                            {"layers.#.mlp.up_proj", "blk.#.ffn_up"},
                                            {"layers.#.mlp.down_proj", "blk.#.ffn_down"}};
  static const std::vector<GgufName> kSandwich = [] {
    std::vector<GgufName> names = kPlain;
    names[3].name = "blk.#.post_attention_norm";
    names.push_back({"layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm"});
    names.push_back({"layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"});
    return names;
  }();
  return sandwich ? kSandwich : kPlain;
}

Error not_in_llama_cpp(const std::string& what, const std::string& where) {
  return input_error(what + " is not something that llama.cpp computes for this model.", where,
                     "Export it as safetensors.");
}

/// How each pair of features slows down (Llama 3.1), as factors of the periods.
std::vector<float> llama3_factors(const RotaryOptions& r) {
  std::vector<float> factors;
  const auto length = static_cast<double>(r.original_max_position_embeddings);
  for (std::int64_t i = 0; i < r.dimension; i += 2) {
    const double turn = static_cast<double>(i) / static_cast<double>(r.dimension);
    const double wave = 2 * std::numbers::pi * std::pow(r.theta, turn);
    double factor = 1;
    if (wave > length / r.low_freq_factor) {
      factor = r.factor;
    } else if (wave >= length / r.high_freq_factor) {
      const double smooth =
          (length / wave - r.low_freq_factor) / (r.high_freq_factor - r.low_freq_factor);
      factor = 1 / ((1 - smooth) / r.factor + smooth);
    }
    factors.push_back(static_cast<float>(factor));
  }
  return factors;
}

Status add_rotary(const RotaryOptions& r, std::int64_t head_dim, const std::string& arch,
                  const std::string& where, GgufLayout& layout) {
  if (r.dimension != head_dim) return not_in_llama_cpp("A head that turns in part", where);
  const auto add = [&](const char* key, GgufValue value) {
    layout.fields.push_back({arch + "." + key, std::move(value)});
  };
  add("rope.freq_base", static_cast<float>(r.theta));
  if (arch == "llama") add("rope.dimension_count", static_cast<std::uint32_t>(r.dimension));
  if (!r.sections.empty()) {
    std::vector<std::int32_t> sections(r.sections.begin(), r.sections.end());
    sections.resize(4, 0);
    add("rope.dimension_sections", std::move(sections));
  }
  if (r.type == "llama3") {
    layout.made.push_back({"rope_freqs.weight", llama3_factors(r)});
    return {};
  }
  if (r.type == "default") return {};
  if (r.type != "linear" && r.type != "yarn")
    return not_in_llama_cpp("rope_type " + r.type, where + ": rope_type");
  add("rope.scaling.type", r.type);
  add("rope.scaling.factor", static_cast<float>(r.factor));
  if (r.type == "linear") return {};
  const double own = r.factor > 1 ? 0.1 * std::log(r.factor) + 1 : 1;
  if (std::abs(r.attention_factor - own) > 1e-6)
    return not_in_llama_cpp("This attention_factor", where + ": attention_factor");
  add("rope.scaling.original_context_length",
      static_cast<std::uint32_t>(r.original_max_position_embeddings));
  add("rope.scaling.yarn_beta_fast", static_cast<float>(r.beta_fast));
  add("rope.scaling.yarn_beta_slow", static_cast<float>(r.beta_slow));
  return {};
}

Status add_windows(const DecoderOptions& o, const std::string& arch, const std::string& where,
                   GgufLayout& layout) {
  std::optional<std::int64_t> window;
  bool as_gemma = true;
  for (std::size_t i = 0; i < o.sliding_windows.size(); ++i) {
    const auto& each = o.sliding_windows[i];
    if (each) window = each;
    as_gemma = as_gemma && each.has_value() == ((i + 1) % kGemmaPeriod != 0);
  }
  if (arch == "gemma3") {
    if (!as_gemma) return not_in_llama_cpp("This order of sliding windows", where);
    if (o.local_rotary.type != "default" || o.local_rotary.theta != 10000)
      return not_in_llama_cpp("This rope_local_base_freq", where);
    layout.fields.push_back(
        {arch + ".attention.sliding_window", static_cast<std::uint32_t>(window.value_or(1024))});
  } else if (window) {
    layout.notes.push_back("llama.cpp has no sliding window for this model: texts longer than " +
                           std::to_string(*window) +
                           " tokens are answered with all that came before.");
  }
  return {};
}

/// What llama.cpp multiplies Gemma 3's queries with: by the heads' width, and at 62 layers (27B) by
/// the states' share of a head.
Status check_scale(const DecoderOptions& o, const std::string& arch, const std::string& where) {
  if (o.attention_scale == 0) return {};
  const bool by_states = arch == "gemma3" && o.num_hidden_layers == 62;
  const auto width =
      static_cast<double>(by_states ? o.hidden_size / o.num_attention_heads : o.head_dim);
  if (std::abs(o.attention_scale * std::sqrt(width) - 1) < 1e-6) return {};
  return not_in_llama_cpp("This query_pre_attn_scalar", where + ": query_pre_attn_scalar");
}

Status check_plain(const DecoderOptions& o, const Architecture& arch, const std::string& where) {
  const bool gemma = std::string_view(arch.name) == "gemma3";
  const bool norms = o.centred_norms == gemma && o.sandwich_norms == gemma;
  const bool plain = !o.experts && !o.delta && !o.convolutions && !o.gemma4 && !o.gemma3n &&
                     o.across.empty() && o.unturned.empty() && !o.parallel && !o.fused_mlp &&
                     !o.fused_qkv && !o.neighbours_turn && !o.attention_gate;
  if (!plain || !norms || o.attention_softcap != 0 || o.query_scale_beta != 0 || o.logit_scale != 1)
    return not_in_llama_cpp("This decoder", where);
  const Activation expected = gemma ? Activation::GeluTanh : Activation::Silu;
  if (o.hidden_act != expected) return not_in_llama_cpp("This hidden_act", where + ": hidden_act");
  return check_scale(o, arch.name, where);
}

}  // namespace

std::optional<std::string> gguf_name(const std::vector<GgufName>& table,
                                     const std::string& parameter) {
  const std::size_t dot = parameter.rfind('.');
  if (dot == std::string::npos) return {};
  // The first part that is a number is the layer's.
  std::string pattern, number;
  for (std::size_t at = 0; at < dot;) {
    const std::size_t end = std::min(parameter.find('.', at), dot);
    const std::string part = parameter.substr(at, end - at);
    const bool counts = number.empty() && !part.empty() &&
                        part.find_first_not_of("0123456789") == std::string::npos;
    if (counts) number = part;
    pattern += (pattern.empty() ? "" : ".") + (counts ? "#" : part);
    at = end + 1;
  }
  for (const GgufName& row : table) {
    if (pattern != row.parameter) continue;
    std::string name = row.name;
    if (const std::size_t place = name.find('#'); place != std::string::npos)
      name.replace(place, 1, number);
    return name + parameter.substr(dot);
  }
  return {};
}

Result<GgufLayout> gguf_decoder(const DecoderOptions& o, const std::string& prefix,
                                const CheckpointShapes& shapes, const std::string& where) {
  const Architecture* arch = nullptr;
  for (const Architecture& each : kArchitectures)
    if (o.model_type == each.type) arch = &each;
  if (!arch) return not_in_llama_cpp("A decoder of the type " + o.model_type, where);
  LUTHIER_CHECK(check_plain(o, *arch, where));
  const std::string name = arch->name;
  GgufLayout layout;
  const auto count = [&](const char* key, std::int64_t value) {
    layout.fields.push_back({name + "." + key, static_cast<std::uint32_t>(value)});
  };
  layout.fields.push_back({"general.architecture", name});
  count("block_count", o.num_hidden_layers);
  count("context_length", o.rotary.max_position_embeddings);
  count("embedding_length", o.hidden_size);
  count("feed_forward_length", o.intermediate_size);
  count("attention.head_count", o.num_attention_heads);
  count("attention.head_count_kv", o.num_key_value_heads);
  count("attention.key_length", o.head_dim);
  count("attention.value_length", o.head_dim);
  count("vocab_size", o.vocab_size);
  layout.fields.push_back(
      {name + ".attention.layer_norm_rms_epsilon", static_cast<float>(o.rms_norm_eps)});
  if (o.final_softcap != 0)
    layout.fields.push_back(
        {name + ".final_logit_softcapping", static_cast<float>(o.final_softcap)});
  LUTHIER_CHECK(add_rotary(o.rotary, o.head_dim, name, where, layout));
  LUTHIER_CHECK(add_windows(o, name, where, layout));

  for (const CheckpointShape& stored : shapes) {
    GgufTensor tensor{.name = {}, .parameter = stored.name};
    if (stored.name.starts_with(prefix)) {
      const auto found =
          gguf_name(layer_names(o.sandwich_norms), stored.name.substr(prefix.size()));
      if (!found) return not_in_llama_cpp("The tensor " + stored.name, where);
      tensor.name = *found;
    } else if (stored.name == "lm_head.weight") {
      tensor.name = "output.weight";
    } else {
      continue;
    }
    const bool norm = stored.shape.size() == 1 && tensor.name.ends_with("norm.weight");
    if (norm && o.centred_norms) tensor.plus = 1;
    if (arch->neighbours && tensor.name.find(".attn_q.") != std::string::npos)
      tensor.heads = o.num_attention_heads;
    if (arch->neighbours && tensor.name.find(".attn_k.") != std::string::npos)
      tensor.heads = o.num_key_value_heads;
    layout.tensors.push_back(std::move(tensor));
  }
  return layout;
}

}  // namespace luthier
