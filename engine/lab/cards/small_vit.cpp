// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/cards/small_vit.h"

#include "engine/teaching/scene.h"

namespace luthier {

Json small_vit(std::int64_t patch) {
  return {{"hidden_size", 96},
          {"intermediate_size", 256},
          {"num_hidden_layers", 3},
          {"num_attention_heads", 4},
          {"hidden_act", "gelu"},
          {"layer_norm_eps", 1e-12},
          {"initializer_range", 0.05},
          {"hidden_dropout_prob", 0.0},
          {"attention_probs_dropout_prob", 0.0},
          {"image_size", kScenePixels},
          {"patch_size", patch},
          {"num_channels", 3},
          {"qkv_bias", true}};
}

Json small_vit_processor() {
  return {{"image_processor_type", "ViTImageProcessor"},
          {"do_resize", true},
          {"size", {{"height", kScenePixels}, {"width", kScenePixels}}},
          {"resample", 2},
          {"do_rescale", true},
          {"rescale_factor", 1.0 / 255.0},
          {"do_normalize", true},
          {"image_mean", {0.5, 0.5, 0.5}},
          {"image_std", {0.5, 0.5, 0.5}}};
}

}  // namespace luthier
