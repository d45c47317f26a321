// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>

#include "engine/models/config_numbers.h"
#include "engine/models/mllama/mllama_tower.h"

namespace luthier {

namespace {

/// The layers whose states are handed on; negative ones count from the end.
Status read_chosen_layers(const Json& config, const std::string& where, MllamaVisionOptions& o) {
  const std::string place = where + ": intermediate_layers_indices";
  if (const auto found = config.find("intermediate_layers_indices");
      found != config.end() && !found->is_null()) {
    if (!found->is_array() || found->empty() || found->size() > 4096)
      return input_error("A list of numbers is expected.", place);
    o.chosen.clear();
    for (const Json& layer : *found) {
      if (!layer.is_number_integer()) return input_error("A list of numbers is expected.", place);
      o.chosen.push_back(layer.get<std::int64_t>());
    }
  }
  for (std::int64_t& layer : o.chosen) {
    if (layer < -o.num_hidden_layers || layer >= o.num_hidden_layers)
      return input_error("The tower has no layer " + std::to_string(layer) + ".", place,
                         "It has " + std::to_string(o.num_hidden_layers) + " layers.");
    if (layer < 0) layer += o.num_hidden_layers;
  }
  std::int64_t width = 7680;
  LUTHIER_TRY(width, json_int(config, "vision_output_dim", where, width));
  if (width == o.width()) return {};
  return input_error("vision_output_dim is " + std::to_string(width) + ", the tower gives " +
                         std::to_string(o.width()) + ".",
                     where + ": vision_output_dim",
                     "It is hidden_size for the last layer and for each of "
                     "intermediate_layers_indices.");
}

/// What tiles can lie like: places are looked up by their number.
Status read_arrangements(const Json& config, const std::string& where, MllamaVisionOptions& o) {
  const std::string place = where + ": supported_aspect_ratios";
  const auto known = static_cast<std::int64_t>(tile_arrangements(o.tiles).size());
  if (const auto found = config.find("supported_aspect_ratios");
      found != config.end() && !found->is_null()) {
    if (!found->is_array() || found->size() > 4096)
      return input_error("A list of pairs is expected.", place);
    o.arrangements = static_cast<std::int64_t>(found->size());
  } else if (o.tiles != 4) {
    return input_error("Where supported_aspect_ratios is left out, there are 4 tiles.",
                       where + ": max_num_tiles", "List the arrangements of tiles there.");
  }
  if (o.arrangements >= known) return {};
  return input_error("It lists " + std::to_string(o.arrangements) + " arrangements of tiles; of " +
                         std::to_string(o.tiles) + " tiles there are " + std::to_string(known) +
                         ".",
                     place);
}

}  // namespace

Result<MllamaVisionOptions> read_mllama_vision(const Json& config, const std::string& where) {
  MllamaVisionOptions o;
  LUTHIER_TRY(const std::string type,
              json_string(config, "model_type", where, "mllama_vision_model"));
  if (type != "mllama_vision_model")
    return input_error("The vision tower \"" + type + "\" is not this family's.",
                       where + ": model_type", "It is mllama_vision_model.");
  o.hidden_size = 1280, o.intermediate_size = 5120, o.num_hidden_layers = 32;
  o.num_attention_heads = 16, o.image_height = 448, o.patch_size = 14;
  const auto read = [&](const char* key, std::int64_t least, std::int64_t most,
                        std::int64_t& value) {
    return read_in_range(config, key, where, least, most, value);
  };
  LUTHIER_CHECK(read("hidden_size", 1, 1 << 20, o.hidden_size));
  LUTHIER_CHECK(read("intermediate_size", 1, 1 << 22, o.intermediate_size));
  LUTHIER_CHECK(read("num_hidden_layers", 1, 4096, o.num_hidden_layers));
  LUTHIER_CHECK(read("num_global_layers", 0, 4096, o.global_layers));
  const char* heads = config.contains("attention_heads") ? "attention_heads"
                                                         : "num_attention_heads";  // its other name
  LUTHIER_CHECK(read(heads, 1, 1 << 16, o.num_attention_heads));
  LUTHIER_CHECK(read("patch_size", 1, 1 << 12, o.patch_size));
  LUTHIER_CHECK(read("image_size", 1, 1 << 14, o.image_height));
  LUTHIER_CHECK(read("max_num_tiles", 1, 64, o.tiles));
  LUTHIER_CHECK(read("num_channels", 3, 3, o.num_channels));
  o.image_width = o.image_height;
  if (o.image_height < o.patch_size)
    return input_error("The picture is smaller than one patch.", where + ": image_size");
  if (o.hidden_size % o.num_attention_heads != 0)
    return input_error("hidden_size is not a multiple of num_attention_heads.",
                       where + ": " + heads);
  LUTHIER_TRY(const std::string act, json_string(config, "hidden_act", where, "gelu"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": hidden_act"));
  LUTHIER_TRY(o.layer_norm_eps, json_number(config, "norm_eps", where, o.layer_norm_eps));
  if (!(o.layer_norm_eps >= 0) || !std::isfinite(o.layer_norm_eps))
    return input_error("A number of 0 or more is expected.", where + ": norm_eps");
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  LUTHIER_CHECK(read_chosen_layers(config, where, o));
  LUTHIER_CHECK(read_arrangements(config, where, o));
  constexpr double kMostPlaces = 1ULL << 40;
  if (static_cast<double>(o.arrangements + 1) * static_cast<double>(o.tiles) *
          static_cast<double>(o.tile_tokens()) * static_cast<double>(o.hidden_size) >
      kMostPlaces)
    return input_error("The tower's table of places is larger than memory should hold.",
                       where + ": image_size");
  return o;
}

}  // namespace luthier
