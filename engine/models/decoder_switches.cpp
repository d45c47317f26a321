// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/decoder_switches.h"

#include <cmath>
#include <utility>

namespace luthier {

Status read_cohere(const Json& config, const std::string& where, DecoderOptions& o) {
  o.parallel = o.neighbours_turn = true;
  LUTHIER_TRY(o.logit_scale, json_number(config, "logit_scale", where, 0.0625));
  if (!(o.logit_scale > 0) || !std::isfinite(o.logit_scale))
    return input_error("A number above 0 is expected.", where + ": logit_scale");
  return {};
}

Status read_phi3(const Json& config, const std::string& where, const RotaryDefaults& defaults,
                 DecoderOptions& o) {
  o.fused_qkv = o.fused_mlp = true;
  for (const char* key : {"resid_pdrop", "attention_dropout"}) {
    LUTHIER_TRY(const double dropout, json_number(config, key, where, 0.0));
    if (dropout != 0)
      return input_error("Dropout within layers is not built here: 0 is expected.",
                         where + ": " + key);
  }
  Json own = config;
  const char* length = "original_max_position_embeddings";
  LUTHIER_TRY(own[length], json_int(config, length, where, 4096));
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!own.contains(key) || !own[key].is_object() || own[key].empty()) continue;
    Json& rope = own[key];
    const std::string place = where + ": " + key;
    LUTHIER_TRY(const std::string old_type, json_string(rope, "type", place, "default"));
    LUTHIER_TRY(std::string type, json_string(rope, "rope_type", place, old_type));
    if (type == "su" || type == "yarn") type = "longrope";
    if (type != "default" && type != "longrope")
      return input_error("Phi-3 knows the rotary scalings default and longrope.",
                         place + ".rope_type");
    rope["rope_type"] = type;
  }
  LUTHIER_TRY(o.rotary, read_rotary_options(own, o.head_dim, where, defaults));
  return {};
}

Result<RotaryOptions> read_layer_rotary(const Json& config, std::int64_t head_dim,
                                        const std::string& where, const RotaryDefaults& defaults,
                                        bool sliding) {
  const char* type = sliding ? "sliding_attention" : "full_attention";
  const char* theta = sliding ? "rope_local_base_freq" : "rope_theta";
  Json own = config, rope = Json::object();
  for (const char* key : {"rope_theta", "rope_scaling", "rope_parameters"}) own.erase(key);
  const auto merge = [&](const Json& from, const std::string& place) -> Status {
    if (from.is_null()) return {};
    if (!from.is_object()) return input_error("An object is expected.", place);
    rope.update(from);
    return {};
  };
  if (const auto found = config.find("rope_parameters");
      found != config.end() && found->is_object() && found->contains(type)) {
    LUTHIER_CHECK(merge((*found)[type], where + ": rope_parameters." + type));
  }
  if (const auto found = config.find("rope_scaling"); !sliding && found != config.end()) {
    LUTHIER_CHECK(merge(*found, where + ": rope_scaling"));
  }
  LUTHIER_TRY(const double base,
              json_number(config, theta, where, sliding ? 10000 : defaults.theta));
  own["rope_parameters"] = std::move(rope);
  RotaryDefaults own_defaults = defaults;
  own_defaults.theta = base;
  return read_rotary_options(own, head_dim, where, own_defaults);
}

}  // namespace luthier
