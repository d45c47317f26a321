// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/qwen_vl/qwen_options.h"

#include <algorithm>
#include <cmath>

#include "engine/models/tower_model.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using detail::json_int_in;

namespace {

constexpr std::int64_t kWidest = 1 << 20;

/// Layers of the tower. One beyond its depth is no fault: shortened checkpoints keep the list of
/// the long ones.
Result<std::vector<std::int64_t>> read_layers(const Json& config, const char* key,
                                              const std::string& where,
                                              const std::vector<std::int64_t>& fallback) {
  const auto found = config.find(key);
  if (found == config.end()) return fallback;
  const bool list = found->is_array() && found->size() <= 4096;
  if (!list || !std::all_of(found->begin(), found->end(),
                            [](const Json& each) { return each.is_number_integer(); })) {
    return input_error("A list of layer numbers is expected, 4096 at most.", where + ": " + key);
  }
  return found->get<std::vector<std::int64_t>>();
}

Status read_mlp_width(const QwenGeneration& generation, const Json& config,
                      const std::string& where, QwenVisionOptions& o) {
  if (generation.convolved) {  // the layers' MLPs are as wide as what is handed on
    o.intermediate = o.out;
    LUTHIER_TRY(o.merger_width, json_int_in(config, "intermediate_size", where,
                                            generation.intermediate, 1, kWidest * 4));
    return {};
  }
  if (generation.intermediate > 0) {
    LUTHIER_TRY(o.intermediate, json_int_in(config, "intermediate_size", where,
                                            generation.intermediate, 1, kWidest * 4));
    return {};
  }
  LUTHIER_TRY(const double ratio, json_number(config, "mlp_ratio", where, 4));
  const double wide = static_cast<double>(o.width) * ratio;
  if (!(wide >= 1) || wide > static_cast<double>(kWidest * 4)) {
    return input_error("The layers would be " + std::to_string(wide) + " wide, expected 1 to " +
                           std::to_string(kWidest * 4) + ".",
                       where + ": mlp_ratio");
  }
  o.intermediate = static_cast<std::int64_t>(wide);
  return {};
}

Status read_convolved(const Json& config, const std::string& where, QwenVisionOptions& o) {
  o.convolved = true;
  o.proj_bias = o.mlp_bias = false;
  LUTHIER_TRY(o.qkv_bias, json_bool(config, "attention_bias", where, false));
  LUTHIER_TRY(o.epsilon, json_number(config, "rms_norm_eps", where, 1e-5));
  LUTHIER_TRY(const std::int64_t image,
              json_int_in(config, "image_size", where, 336, o.patch, o.patch * 4096));
  o.position_side = image / o.patch;
  o.position_count = o.position_side * o.position_side;
  return {};
}

Status read_switches(const QwenGeneration& generation, const Json& config, const std::string& where,
                     QwenVisionOptions& o) {
  o.patch_bias = generation.patch_bias, o.rms_norms = generation.rms_norms,
  o.gated_mlp = generation.gated_mlp;
  o.newer_names = generation.learned_positions;
  if (generation.windows) {
    LUTHIER_TRY(const std::int64_t window,
                json_int_in(config, "window_size", where, 112, 1, kWidest));
    o.window = window / o.merge / o.patch;
    if (o.window < 1) {
      return input_error("A window of " + std::to_string(window) +
                             " pixels is smaller than one block of " +
                             std::to_string(o.merge * o.patch) + ".",
                         where + ": window_size",
                         "The checkpoint's configuration is damaged or not of this kind.");
    }
    LUTHIER_TRY(o.full_layers,
                read_layers(config, "fullatt_block_indexes", where, {7, 15, 23, 31}));
  }
  if (generation.learned_positions) {
    LUTHIER_TRY(o.position_count,
                json_int_in(config, "num_position_embeddings", where, 2304, 1, 1 << 24));
    o.position_side = static_cast<std::int64_t>(std::sqrt(static_cast<double>(o.position_count)));
  }
  if (generation.convolved) LUTHIER_CHECK(read_convolved(config, where, o));
  if (generation.seconds) {
    LUTHIER_TRY(o.tokens_per_second,
                json_int_in(config, "tokens_per_second", where, 4, 0, kWidest));
  }
  if (generation.deepstack) {
    LUTHIER_TRY(o.deepstack, read_layers(config, "deepstack_visual_indexes", where, {8, 16, 24}));
  }
  return {};
}

Result<QwenVisionOptions> read_vision(const QwenGeneration& generation, const Json& config,
                                      const std::string& where) {
  QwenVisionOptions o;
  LUTHIER_TRY(o.depth, json_int_in(config, "depth", where, generation.depth, 1, 4096));
  LUTHIER_TRY(o.width,
              json_int_in(config, generation.width_key, where, generation.width, 4, kWidest));
  LUTHIER_TRY(o.out, json_int_in(config, generation.out_key, where, generation.out, 1, kWidest));
  LUTHIER_TRY(const std::int64_t heads,
              json_int_in(config, "num_attention_heads", where, generation.heads, 1, 1 << 16));
  LUTHIER_TRY(o.heads, json_int_in(config, "num_heads", where, heads, 1, 1 << 16));
  LUTHIER_TRY(o.patch, json_int_in(config, "patch_size", where, generation.patch, 1, 1024));
  LUTHIER_TRY(o.merge, json_int_in(config, "spatial_merge_size", where, 2, 1, 64));
  LUTHIER_TRY(o.temporal, json_int_in(config, "temporal_patch_size", where, 2, 1, 64));
  LUTHIER_TRY(const std::int64_t channels, json_int(config, "in_channels", where, 3));
  if (channels != 3) return input_error("Pictures have 3 channels.", where + ": in_channels");
  if (o.width % o.heads != 0 || o.head_dim() % 4 != 0) {
    return input_error(
        "The tower's " + std::to_string(o.heads) + " heads must divide its width of " +
            std::to_string(o.width) +
            " into parts that are multiples of 4, for rows and columns each turn half of a head.",
        where + ": num_heads");
  }
  if (o.width > kWidest / o.block()) {
    return input_error("Blocks of " + std::to_string(o.block()) + " patches of width " +
                           std::to_string(o.width) + " are too wide.",
                       where + ": spatial_merge_size",
                       "The checkpoint's configuration is damaged or not of this kind.");
  }
  LUTHIER_TRY(const std::string activation,
              json_string(config, "hidden_act", where, generation.activation));
  LUTHIER_TRY(o.activation, parse_activation(activation, where + ": hidden_act"));
  LUTHIER_TRY(const Json rope, config_section(config, "rope_parameters", where));
  LUTHIER_TRY(o.theta, json_number(rope, "rope_theta", where + ": rope_parameters", 10000));
  if (!(o.theta > 0) || !std::isfinite(o.theta))
    return input_error("rope_theta must be above 0.", where + ": rope_parameters.rope_theta");
  LUTHIER_CHECK(read_mlp_width(generation, config, where, o));
  LUTHIER_CHECK(read_switches(generation, config, where, o));
  return o;
}

}  // namespace

std::vector<QwenVisionOptions::Reached> QwenVisionOptions::reached() const {
  std::vector<Reached> found;
  for (std::int64_t layer = 0; layer < depth; ++layer) {
    const auto place = std::find(deepstack.begin(), deepstack.end(), layer);
    if (place != deepstack.end())
      found.push_back({layer, static_cast<std::size_t>(place - deepstack.begin())});
  }
  return found;
}

Result<QwenVlOptions> read_qwen_vl_options(const QwenGeneration& generation, const Json& config,
                                           const std::string& where) {
  QwenVlOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json nested, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision, read_vision(generation, vision, where + ": vision_config"));
  const bool flat =
      generation.flat && (!config.contains("text_config") || config["text_config"].is_null());
  Json text = flat ? config : nested;
  // Whatever a file calls it, the generation decides; GLM-V's have decoders of several kinds.
  if (flat || !generation.convolved || !text.contains("model_type"))
    text["model_type"] = generation.text_type;
  const std::string text_where = flat ? where : where + ": text_config";
  LUTHIER_TRY(o.text, read_decoder_options(text, text_where, generation.text_type));
  o.text.rotary.interleaved =
      generation.learned_positions;  // Qwen3-VL's is so whatever mrope_interleaved says
  if (o.vision.out != o.text.hidden_size) {
    return input_error("The merger hands on features of width " + std::to_string(o.vision.out) +
                           ", the decoder's is " + std::to_string(o.text.hidden_size) + ".",
                       where + ": vision_config: " + generation.out_key, "Both must be equal.");
  }
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, false));
  if (generation.flat) o.tie_word_embeddings = o.tie_word_embeddings || o.text.tie_word_embeddings;
  LUTHIER_TRY(o.image_token_id, read_image_token(config, {"image_token_id"}, generation.image_token,
                                                 o.text.vocab_size, where));
  if (generation.film_mark) {  // a model that lacks the token takes pictures all the same
    LUTHIER_TRY(const TokenId film,
                json_int(config, "video_token_id", where, generation.film_token));
    if (film >= 0 && film < o.text.vocab_size && film != o.image_token_id) o.film_token_id = film;
    o.written_times = generation.written_times;
  }
  return o;
}

}  // namespace luthier
