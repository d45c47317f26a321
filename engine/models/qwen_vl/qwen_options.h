// SPDX-License-Identifier: GPL-3.0-or-later
// What tells the generations of Qwen-VL apart, and the options of one checkpoint. A generation is a
// row of defaults and switches; reading config.json, flat as the first hubs' folders have it or
// with a text_config, is common to all.
#pragma once

#include <string>
#include <vector>

#include "engine/models/decoder.h"
#include "engine/text/tokenizer.h"

namespace luthier {

/// Defaults are those of the configuration classes in transformers 5.17.
struct QwenGeneration {
  const char* model_type;
  const char* text_type;  ///< of read_decoder_options
  bool flat = false;      ///< the decoder's settings may stand at the top level
  bool old_names =
      false;  ///< files say visual.… and model.… for model.visual.… and model.language_model.…
  const char* width_key = "hidden_size";    ///< the tower's width
  const char* out_key = "out_hidden_size";  ///< the decoder's, as the merger hands features on
  std::int64_t depth = 32, width = 0, out = 3584, heads = 16, patch = 14;
  std::int64_t intermediate = 0;  ///< 0: mlp_ratio times the width
  const char* activation = "quick_gelu";
  bool patch_bias = false;
  bool rms_norms = false, gated_mlp = false;
  bool windows = false;            ///< most layers look through windows
  bool learned_positions = false;  ///< and the merger's tensors have the newer names
  bool deepstack = false;
  bool convolved = false;  ///< GLM-V's tower: see QwenVisionOptions
  TokenId image_token = 151655;
  const char* mark = "<|image_pad|>";  ///< where the tokenizer's files name none
  const char* processor = "Qwen2VLImageProcessor";
  TokenId film_token = 151656;
  const char* film_mark = nullptr;  ///< null: its films are not built
  const char* film_processor = "Qwen2VLVideoProcessor";
  bool seconds = false;        ///< a film's steps lie apart in the text as they do in time
  bool written_times = false;  ///< each stands by itself in the text, behind its time in words
};

/// Qwen3-VL's picture half, whatever decoder stands behind it.
constexpr QwenGeneration qwen3_vl_pictures(const char* model_type, const char* text_type,
                                           bool deepstack = true) {
  return {.model_type = model_type,
          .text_type = text_type,
          .depth = 27,
          .width = 1152,
          .patch = 16,
          .intermediate = 4304,
          .activation = "gelu_pytorch_tanh",
          .patch_bias = true,
          .learned_positions = true,
          .deepstack = deepstack,
          .film_mark = "<|video_pad|>",
          .film_processor = "Qwen3VLVideoProcessor",
          .written_times = true};
}

/// Qwen3.5's.
constexpr QwenGeneration qwen3_5_pictures(const char* model_type, const char* text_type) {
  QwenGeneration generation = qwen3_vl_pictures(model_type, text_type, /*deepstack=*/false);
  generation.image_token = 248056;
  generation.film_token = 248057;
  return generation;
}

struct QwenVisionOptions {
  std::int64_t depth = 0, width = 0, intermediate = 0, out = 0, heads = 0, patch = 0, merge = 2,
               temporal = 2;
  double theta = 10000;
  Activation activation = Activation::QuickGelu;
  bool patch_bias = false, rms_norms = false, gated_mlp = false, newer_names = false;
  std::int64_t window =
      0;  ///< side of a window in merged patches; 0: every layer sees the whole picture
  std::vector<std::int64_t> full_layers;               ///< layers that see it nevertheless
  std::int64_t position_count = 0, position_side = 0;  ///< learned positions; 0: none
  std::vector<std::int64_t> deepstack;  ///< the layer that each DeepStack merger reads
  double epsilon = 1e-6;                ///< of every norm of the layers
  bool qkv_bias = true, proj_bias = true, mlp_bias = true;
  /// GLM-V's: norms before the positions and after the layers, learned positions by cubic curves, a
  /// convolution that makes one of a block, and a merger of features as wide as the decoder's.
  bool convolved = false;
  std::int64_t merger_width = 0;       ///< inside that merger
  std::int64_t tokens_per_second = 0;  ///< of a film's steps in the text; 0: one place each

  std::int64_t head_dim() const { return width / heads; }
  std::int64_t block() const { return merge * merge; }  ///< patches that become one token
  std::int64_t patch_values() const { return 3 * temporal * patch * patch; }
  /// DeepStack mergers in the order in which their layers run, each with its layer; those whose
  /// layer the tower does not have are left out.
  struct Reached {
    std::int64_t layer = 0;
    std::size_t merger = 0;
  };
  std::vector<Reached> reached() const;
};

struct QwenVlOptions {
  QwenVisionOptions vision;
  DecoderOptions text;
  bool tie_word_embeddings = false;
  TokenId image_token_id = 151655;
  TokenId film_token_id = -1;  ///< −1: no films
  bool written_times = false;  ///< see QwenGeneration
};
Result<QwenVlOptions> read_qwen_vl_options(const QwenGeneration& generation, const Json& config,
                                           const std::string& where);

extern const QwenGeneration qwen2_vl_generation, qwen2_5_vl_generation, qwen3_vl_generation,
    qwen3_vl_moe_generation, qwen3_5_generation, qwen3_5_moe_generation;

}  // namespace luthier
