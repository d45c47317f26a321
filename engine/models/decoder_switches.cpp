// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/decoder_switches.h"

#include <cmath>

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
  if (o.rotary.type == "longrope") o.starts_over_past = o.rotary.original_max_position_embeddings;
  return {};
}

}  // namespace luthier
