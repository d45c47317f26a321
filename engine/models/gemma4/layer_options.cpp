// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma4TextConfig's and Gemma4UnifiedTextConfig's defaults, in their older spelling
// (global_head_dim) and in today's (per_layer_config).
#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/decoder.h"
#include "engine/models/decoder_positions.h"

namespace luthier {

namespace {

constexpr const char* kFull = "full_attention";
constexpr const char* kSliding = "sliding_attention";

/// Where the two kinds of Gemma 4 differ.
struct Gemma4Kind {
  bool unified;
  std::int64_t window, positions;
  const char* both_ways;  // use_bidirectional_attention, where a file says nothing
};
constexpr Gemma4Kind kGemma4Plain{false, 512, 131072, ""},
    kGemma4Unified{true, 1024, 262144, "vision"};

/// Whether each layer slides. The last one never does, whatever the file says.
Result<std::vector<bool>> read_sliding_layers(const Json& config, const std::string& where,
                                              std::int64_t layers) {
  LUTHIER_TRY(std::vector<bool> sliding, read_listed_windows(config, where, layers));
  if (sliding.empty()) {
    constexpr std::int64_t kPeriod = 6;
    for (std::int64_t layer = 1; layer <= layers; ++layer) sliding.push_back(layer % kPeriod != 0);
  }
  sliding.back() = false;
  return sliding;
}

Status read_global_heads(std::int64_t head_dim, std::int64_t kv_heads, const std::string& place,
                         const DecoderOptions& o, Gemma4Options& g) {
  LUTHIER_CHECK(in_range(head_dim, 2, 1 << 14, place, "head_dim"));
  LUTHIER_CHECK(in_range(kv_heads, 1, o.num_attention_heads, place, "num_key_value_heads"));
  if (o.num_attention_heads % kv_heads != 0) {
    return input_error("num_attention_heads (" + std::to_string(o.num_attention_heads) +
                           ") is not a multiple of num_key_value_heads (" +
                           std::to_string(kv_heads) + ").",
                       place + ": num_key_value_heads");
  }
  g.global_head_dim = head_dim, g.global_key_value_heads = kv_heads;
  return {};
}

/// What per_layer_config says of each layer: the layers of full attention may have heads of their
/// own, all of the same sizes.
Status read_layer_overrides(const Json& layers, const std::string& where,
                            const std::vector<bool>& sliding, const DecoderOptions& o,
                            Gemma4Options& g) {
  const std::string place = where + ": per_layer_config";
  if (!layers.is_object()) return input_error("An object is expected.", place);
  struct Heads {
    std::int64_t dim, kv;
    bool operator==(const Heads&) const = default;
  };
  std::vector<Heads> heads(sliding.size(), Heads{o.head_dim, o.num_key_value_heads});
  for (const auto& [key, own] : layers.items()) {
    const std::string here = place + "." + key;
    std::size_t layer = sliding.size();
    const auto read = std::from_chars(key.data(), key.data() + key.size(), layer);
    if (read.ec != std::errc() || read.ptr != key.data() + key.size() || layer >= sliding.size())
      return input_error("There is no layer of this number.", here);
    if (!own.is_object()) return input_error("An object is expected.", here);
    for (const auto& [name, value] : own.items()) {
      const bool skips = name == "skip" && !(value.is_array() && value.empty());
      if (skips || (name != "skip" && name != "head_dim" && name != "num_key_value_heads")) {
        return input_error("This setting cannot be a layer's own here.", here + "." + name,
                           "A layer may have its own head_dim and num_key_value_heads.");
      }
    }
    LUTHIER_TRY(heads[layer].dim, json_int(own, "head_dim", here, o.head_dim));
    LUTHIER_TRY(heads[layer].kv, json_int(own, "num_key_value_heads", here, o.num_key_value_heads));
  }
  const Heads usual{o.head_dim, o.num_key_value_heads}, whole = heads.back();
  for (std::size_t layer = 0; layer < heads.size(); ++layer) {
    if (heads[layer] == (sliding[layer] ? usual : whole)) continue;
    return input_error("Layer " + std::to_string(layer) +
                           " has heads of another size than the others of its type.",
                       place);
  }
  return read_global_heads(whole.dim, whole.kv, place, o, g);
}

Status read_global_sizes(const Json& config, const std::string& where,
                         const std::vector<bool>& sliding, const DecoderOptions& o,
                         Gemma4Options& g) {
  if (const auto found = config.find("per_layer_config"); found != config.end()) {
    if (!found->is_null()) return read_layer_overrides(*found, where, sliding, o, g);
    return read_global_heads(o.head_dim, o.num_key_value_heads, where, o, g);
  }
  LUTHIER_TRY(const std::int64_t head_dim, json_int(config, "global_head_dim", where, 512));
  std::int64_t kv_heads = o.num_key_value_heads;
  if (g.keys_are_values) {
    LUTHIER_TRY(kv_heads, json_int(config, "num_global_key_value_heads", where, kv_heads));
  }
  return read_global_heads(head_dim, kv_heads, where, o, g);
}

/// The positions of one type of layers.
Result<RotaryOptions> read_type_rotary(const Json& config, const std::string& where,
                                       const char* type, std::int64_t head_dim,
                                       std::int64_t positions) {
  const bool full = type == std::string(kFull);
  Json rope = full ? Json{{"rope_type", "proportional"},
                          {"partial_rotary_factor", 0.25},
                          {"rope_theta", 1e6}}
                   : Json{{"rope_type", "default"}, {"rope_theta", 1e4}};
  const std::string place = where + ": rope_parameters";
  if (const auto found = config.find("rope_parameters");
      found != config.end() && !found->is_null()) {
    if (!found->is_object()) return input_error("An object is expected.", place);
    const auto own = found->find(type);
    if (own == found->end() || !own->is_object())
      return input_error("The settings of these layers are missing.", place + "." + type);
    rope = *own;
  }
  const std::string here = place + "." + type;
  LUTHIER_TRY(const std::string kind, json_string(rope, "rope_type", here, "default"));
  LUTHIER_TRY(const double partial, json_number(rope, "partial_rotary_factor", here, 1.0));
  if (!(partial >= 0) || partial > 1)
    return input_error("A number from 0 to 1 is expected.", here + ".partial_rotary_factor");
  const bool proportional = kind == "proportional";
  LUTHIER_TRY(const double factor, json_number(rope, "factor", here, 1.0));
  if (proportional) {
    rope["rope_type"] = "default";
    if (!(factor > 0) || !std::isfinite(factor))
      return input_error("The factor must be above 0.", here + ".factor");
  } else if (kind != "default" && partial != 1) {
    return input_error("A part of a head turns by proportional positions alone.",
                       here + ".partial_rotary_factor");
  }
  rope.erase("partial_rotary_factor");  // the default ones do not look at it
  Json own = config;
  for (const char* key : {"rope_theta", "rope_scaling", "partial_rotary_factor"}) own.erase(key);
  own["rope_parameters"] = std::move(rope);
  LUTHIER_TRY(RotaryOptions rotary,
              read_rotary_options(own, head_dim, where, {1e4, positions, {}, false, 1}));
  if (proportional) {
    rotary.type = kind, rotary.factor = factor;
    rotary.angles =
        static_cast<std::int64_t>(std::floor(partial * static_cast<double>(head_dim) / 2));
  }
  return rotary;
}

Status read_beside_experts(const Json& config, const std::string& where, DecoderOptions& o) {
  LUTHIER_TRY(const bool has, json_bool(config, "enable_moe_block", where, false));
  if (!has) return {};
  ExpertOptions e;
  LUTHIER_TRY(e.count, json_int(config, "num_experts", where));
  LUTHIER_CHECK(in_range(e.count, 1, 1 << 16, where, "num_experts"));
  LUTHIER_TRY(e.each, json_int(config, "top_k_experts", where));
  LUTHIER_CHECK(in_range(e.each, 1, e.count, where, "top_k_experts"));
  LUTHIER_TRY(e.intermediate_size, json_int(config, "moe_intermediate_size", where));
  LUTHIER_CHECK(in_range(e.intermediate_size, 1, 1 << 22, where, "moe_intermediate_size"));
  e.sparse.assign(static_cast<std::size_t>(o.num_hidden_layers), true);
  o.experts = e;
  return {};
}

Status read_per_layer_embeddings(const Json& config, const std::string& where,
                                 const DecoderOptions& o, Gemma4Options& g) {
  LUTHIER_TRY(g.per_layer_width, json_int(config, "hidden_size_per_layer_input", where, 256));
  LUTHIER_CHECK(in_range(g.per_layer_width, 0, 1 << 14, where, "hidden_size_per_layer_input"));
  LUTHIER_TRY(g.per_layer_vocabulary,
              json_int(config, "vocab_size_per_layer_input", where, 262144));
  LUTHIER_CHECK(in_range(g.per_layer_vocabulary, 1, 1 << 24, where, "vocab_size_per_layer_input"));
  LUTHIER_TRY(g.padding, json_int(config, "pad_token_id", where, 0));
  if (g.per_layer_width == 0) return {};
  if (g.per_layer_vocabulary < o.vocab_size) {
    return input_error("Tokens from " + std::to_string(g.per_layer_vocabulary) +
                           " on have no embedding for the layers.",
                       where + ": vocab_size_per_layer_input", "It is vocab_size or more.");
  }
  return in_range(g.padding, 0, g.per_layer_vocabulary - 1, where, "pad_token_id");
}

/// The unified kind has no embeddings for the layers; its pictures' places are looked up all the
/// same.
Status read_padding(const Json& config, const std::string& where, const DecoderOptions& o,
                    Gemma4Options& g) {
  LUTHIER_TRY(g.padding, json_int(config, "pad_token_id", where, 0));
  return in_range(g.padding, 0, o.vocab_size - 1, where, "pad_token_id");
}

Status read_both_ways(const Json& config, const std::string& where, const Gemma4Kind& kind,
                      Gemma4Options& g) {
  constexpr const char* kKey = "use_bidirectional_attention";
  const auto found = config.find(kKey);
  const bool null = found != config.end() && found->is_null();
  LUTHIER_TRY(const std::string both_ways,
              json_string(config, kKey, where, null ? "" : kind.both_ways));
  if (both_ways == "all")
    return input_error("Decoders without a causal mask cannot be trained here.",
                       where + ": use_bidirectional_attention");
  if (!both_ways.empty() && both_ways != "vision")
    return input_error("\"" + both_ways + "\" is not known.",
                       where + ": use_bidirectional_attention", "It is vision, all or null.");
  g.picture_blocks = both_ways == "vision";
  g.blocks_everywhere = g.picture_blocks && kind.unified;
  return {};
}

}  // namespace

bool Gemma4Options::is_seen(std::int64_t layer) const {
  for (std::size_t other = static_cast<std::size_t>(layer) + 1; other < sources.size(); ++other)
    if (sources[other] == layer) return true;
  return false;
}

Status read_key_sources(const Json& config, const std::string& where,
                        const std::vector<std::optional<std::int64_t>>& windows,
                        std::int64_t standard, Gemma4Options& g) {
  const auto layers = static_cast<std::int64_t>(windows.size());
  LUTHIER_TRY(const std::int64_t sharers,
              json_int(config, "num_kv_shared_layers", where, standard));
  LUTHIER_CHECK(in_range(sharers, 0, layers - 1, where, "num_kv_shared_layers"));
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    std::int64_t source = layer;
    if (layer >= layers - sharers) {
      source = layers - sharers - 1;
      const auto type = [&](std::int64_t i) {
        return windows[static_cast<std::size_t>(i)].has_value();
      };
      while (source >= 0 && type(source) != type(layer)) --source;
      if (source < 0) {
        return input_error("Layer " + std::to_string(layer) +
                               " has no earlier one of its type that has keys and values.",
                           where + ": num_kv_shared_layers");
      }
    }
    g.sources.push_back(source);
  }
  return {};
}

Status read_logit_cap(const Json& config, const std::string& where, double standard,
                      DecoderOptions& o) {
  const auto cap = config.find("final_logit_softcapping");
  o.final_softcap = cap == config.end() ? standard : 0;
  if (cap == config.end() || cap->is_null()) return {};
  LUTHIER_TRY(o.final_softcap, json_number(config, "final_logit_softcapping", where, 0.0));
  if (!(o.final_softcap > 0) || !std::isfinite(o.final_softcap))
    return input_error("A number above 0, or null, is expected.",
                       where + ": final_logit_softcapping");
  return {};
}

Status read_gemma4_layers(const Json& config, const std::string& where, DecoderOptions& o) {
  const Gemma4Kind& kind = o.model_type == "gemma4_unified_text" ? kGemma4Unified : kGemma4Plain;
  Gemma4Options g;
  o.embedding_scale = std::sqrt(static_cast<double>(o.hidden_size));
  o.attention_scale = 1;
  o.two_rotaries = true;
  LUTHIER_TRY(const std::vector<bool> sliding,
              read_sliding_layers(config, where, o.num_hidden_layers));
  LUTHIER_TRY(const std::int64_t window, json_int(config, "sliding_window", where, kind.window));
  LUTHIER_CHECK(in_range(window, 1, 1ll << 40, where, "sliding_window"));
  for (const bool slides : sliding)
    o.sliding_windows.push_back(slides ? std::optional(window) : std::nullopt);
  LUTHIER_TRY(g.keys_are_values, json_bool(config, "attention_k_eq_v", where, false));
  LUTHIER_CHECK(read_global_sizes(config, where, sliding, o, g));
  LUTHIER_TRY(o.rotary, read_type_rotary(config, where, kFull, g.global_head_dim, kind.positions));
  o.local_rotary = o.rotary;
  if (std::find(sliding.begin(), sliding.end(), true) != sliding.end()) {
    LUTHIER_TRY(o.local_rotary,
                read_type_rotary(config, where, kSliding, o.head_dim, kind.positions));
  }
  LUTHIER_CHECK(read_key_sources(config, where, o.sliding_windows, 0, g));
  LUTHIER_TRY(g.wide_sharers, json_bool(config, "use_double_wide_mlp", where, false));
  if (kind.unified) {
    LUTHIER_CHECK(read_padding(config, where, o, g));
  } else {
    LUTHIER_CHECK(read_per_layer_embeddings(config, where, o, g));
    LUTHIER_CHECK(read_beside_experts(config, where, o));
  }
  LUTHIER_CHECK(read_logit_cap(config, where, 0, o));
  LUTHIER_CHECK(read_both_ways(config, where, kind, g));
  o.window_in_blocks = !g.blocks_everywhere;
  o.gemma4 = std::move(g);
  return {};
}

}  // namespace luthier
