// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/decoder_positions.h"

#include <cmath>

#include "engine/models/config_numbers.h"

namespace luthier {

Result<std::vector<bool>> read_listed_windows(const Json& config, const std::string& where,
                                              std::int64_t layers) {
  const auto types = config.find("layer_types");
  std::vector<bool> sliding;
  if (types == config.end() || !types->is_array()) return sliding;
  if (static_cast<std::int64_t>(types->size()) != layers) {
    return input_error("There are " + std::to_string(types->size()) + " layer types for " +
                           std::to_string(layers) + " layers.",
                       where + ": layer_types");
  }
  for (const Json& type : *types) {
    if (type != "sliding_attention" && type != "full_attention") {
      return input_error("The layer type " + type.dump() + " is not known.",
                         where + ": layer_types",
                         "Known are full_attention and sliding_attention.");
    }
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

Status read_unturned(const Json& config, const std::string& where, DecoderOptions& o) {
  const auto layers = static_cast<std::size_t>(o.num_hidden_layers);
  const auto turned = config.find("no_rope_layers");
  if (turned == config.end() || turned->is_null()) {
    LUTHIER_TRY(const std::int64_t period, json_int(config, "no_rope_layer_interval", where, 4));
    LUTHIER_CHECK(in_range(period, 1, 1 << 16, where, "no_rope_layer_interval"));
    for (std::int64_t layer = 1; layer <= o.num_hidden_layers; ++layer)
      o.unturned.push_back(layer % period == 0);
  } else {
    if (!turned->is_array() || turned->size() < layers)
      return input_error("A list of a 0 or a 1 for each layer is expected.",
                         where + ": no_rope_layers");
    for (std::size_t i = 0; i < layers; ++i) {
      const Json& each = (*turned)[i];
      const std::int64_t number = each.is_number_integer() ? each.get<std::int64_t>() : -1;
      if (number != 0 && number != 1)
        return input_error("A list of a 0 or a 1 for each layer is expected.",
                           where + ": no_rope_layers");
      o.unturned.push_back(number == 0);
    }
  }
  LUTHIER_TRY(std::vector<bool> sliding, read_listed_windows(config, where, o.num_hidden_layers));
  if (sliding.empty()) {
    LUTHIER_TRY(const bool use, json_bool(config, "use_sliding_window", where, false));
    const auto found = config.find("sliding_window");
    if (!use || found == config.end() || found->is_null()) return {};
    sliding = o.unturned;
  }
  for (std::size_t i = 0; i < layers; ++i) {
    if (!sliding[i]) continue;
    LUTHIER_TRY(const std::int64_t window, json_int(config, "sliding_window", where));
    LUTHIER_CHECK(in_range(window, 1, 1ll << 40, where, "sliding_window"));
    o.sliding_windows[i] = window;
  }
  return {};
}

Status read_turning_windows(const Json& config, const std::string& where, DecoderOptions& o) {
  const auto given = config.find("sliding_window");
  if (given != config.end() && given->is_null())
    return input_error("A number above 0 is expected.", where + ": sliding_window");
  LUTHIER_TRY(const std::int64_t window, json_int(config, "sliding_window", where, 4096));
  LUTHIER_CHECK(in_range(window, 1, 1ll << 40, where, "sliding_window"));
  LUTHIER_TRY(const std::int64_t period, json_int(config, "sliding_window_pattern", where, 4));
  LUTHIER_CHECK(in_range(period, 1, 1 << 16, where, "sliding_window_pattern"));
  LUTHIER_TRY(std::vector<bool> sliding, read_listed_windows(config, where, o.num_hidden_layers));
  for (std::int64_t layer = 1; sliding.size() < o.sliding_windows.size(); ++layer)
    sliding.push_back(layer % period != 0);
  for (std::size_t i = 0; i < sliding.size(); ++i) {
    o.unturned.push_back(!sliding[i]);
    if (sliding[i]) o.sliding_windows[i] = window;
  }
  return {};
}

Status read_scaled_queries(const Json& config, const std::string& where,
                           const RotaryDefaults& defaults, DecoderOptions& o) {
  Json own = config;
  const auto scaling = own.find("rope_scaling");  // which wins where it holds anything
  const char* key = scaling != own.end() && !scaling->empty() ? "rope_scaling" : "rope_parameters";
  if (!own.contains(key) || own[key].is_null()) {
    own[key] = {{"rope_type", "yarn"},
                {"rope_theta", 1e6},
                {"factor", 16.0},
                {"original_max_position_embeddings", 16384},
                {"mscale", 1.0},
                {"mscale_all_dim", 1.0},
                {"llama_4_scaling_beta", 0.1}};
  }
  const std::string place = where + ": " + key;
  if (!own[key].is_object()) return input_error("An object is expected.", place);
  LUTHIER_TRY(o.rotary, read_rotary_options(own, o.head_dim, where, defaults));
  LUTHIER_TRY(o.query_scale_beta, json_number(own[key], "llama_4_scaling_beta", place, -1));
  LUTHIER_TRY(o.query_scale_length, json_int(own[key], "original_max_position_embeddings", place,
                                             o.rotary.original_max_position_embeddings));
  if (!std::isfinite(o.query_scale_beta) || o.query_scale_beta < 0)
    return input_error("A number of 0 or more is expected.", place + ".llama_4_scaling_beta");
  return in_range(o.query_scale_length, 1, 1ll << 40, place, "original_max_position_embeddings");
}

}  // namespace luthier
