// SPDX-License-Identifier: GPL-3.0-or-later
// The configurations: what they differ in is what the families' code can meet (rotary positions of
// each kind, sliding windows, grouped queries, biases, heads from 16 numbers to 128).
#include "engine/check/tiny_models.h"

#include <map>

#include <ATen/CPUGeneratorImpl.h>

namespace luthier {

namespace {

struct WrittenDown {
  const char* config;
  TinyPicture picture = {};
  const char* objective = "sft";
  TokenId last = -1;
  std::vector<std::int64_t> lengths = {18, 110, 30};
  TokenId start = -1;  ///< what answers begin with that a decoder of their own writes; −1: none
};

const std::map<std::string, WrittenDown>& written_down() {
  static const std::map<std::string, WrittenDown> table{
      {"llava",
       {R"({"image_token_index": 561, "vision_feature_layer": -2,
  "text_config": {"model_type": "llama", "vocab_size": 565, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 4, "head_dim": 16, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
  "vision_config": {"model_type": "clip_vision_model", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 30, "patch_size": 6}})",
        {{1, 3, 30, 30}, {}, 25}}},
      // A picture of 60 × 60 as four tiles and a whole: 25 tokens, and 10 lines of 10 with ends.
      {"llava_next",
       {R"({"image_token_index": 561, "vision_feature_layer": -2,
  "image_grid_pinpoints": [[30, 60], [60, 30], [60, 60], [90, 30], [30, 90]],
  "text_config": {"model_type": "llama", "vocab_size": 565, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
  "vision_config": {"model_type": "clip_vision_model", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 30, "patch_size": 6}})",
        {{5, 3, 30, 30}, {60, 60}, 135}}},
      // As many tiles of 4 by 4: 16 tokens, and 8 lines of 8 shrunk to 5 of 5 with ends.
      {"llava_onevision",
       {R"({"image_token_index": 603, "vision_aspect_ratio": "anyres_max_2",
  "image_grid_pinpoints": [[32, 32], [32, 64], [64, 32], [64, 64]],
  "text_config": {"model_type": "qwen2", "vocab_size": 607, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
  "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
    "patch_size": 8, "vision_use_head": false}})",
        {{5, 3, 32, 32}, {64, 64}, 46}}},
      {"smolvlm",
       {R"({"image_token_id": 603, "scale_factor": 2,
  "text_config": {"model_type": "llama", "vocab_size": 646, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "llama3", "rope_theta": 20000.0, "factor": 4.0,
      "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 64}},
  "vision_config": {"model_type": "smolvlm_vision", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8}})",
        {{1, 3, 32, 32}, {0, 0}, 4}}},
      {"idefics3",
       {R"({"image_token_id": 561, "scale_factor": 2, "tie_word_embeddings": false,
  "text_config": {"model_type": "llama", "vocab_size": 604, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "mlp_bias": true, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "longrope", "rope_theta": 10000.0, "factor": 4.0,
      "long_factor": [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 4.5, 5.0],
      "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.7, 1.8, 2.0],
      "original_max_position_embeddings": 50}},
  "vision_config": {"model_type": "idefics3_vision", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8}})",
        {{1, 3, 32, 32}, {0, 0}, 4}}},
      {"internvl",
       {R"({"image_token_id": 604, "downsample_ratio": 0.5, "vision_feature_layer": -1,
  "projector_hidden_act": "gelu",
  "text_config": {"model_type": "qwen2", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
  "vision_config": {"model_type": "internvl_vision", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": [32, 32], "patch_size": [8, 8],
    "norm_type": "layer_norm", "layer_scale_init_value": 0.1,
    "use_absolute_position_embeddings": true, "use_mean_pooling": true, "use_qk_norm": false}})",
        {{1, 3, 32, 32}, {}, 4}}},
      {"qwen2_vl",
       {R"({"image_token_id": 606, "tie_word_embeddings": false,
  "text_config": {"model_type": "qwen2_vl_text", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
      "mrope_section": [4, 2, 2]}},
  "vision_config": {"model_type": "qwen2_vl_vision", "depth": 2, "embed_dim": 32,
    "hidden_size": 64, "mlp_ratio": 2, "num_heads": 2, "patch_size": 4, "spatial_merge_size": 2,
    "temporal_patch_size": 2, "hidden_act": "quick_gelu"}})",
        {{16, 96}, {1, 4, 4}, 4}}},
      {"qwen2_5_vl",
       {R"({"image_token_id": 606, "tie_word_embeddings": false,
  "text_config": {"model_type": "qwen2_5_vl_text", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
      "mrope_section": [4, 2, 2]}},
  "vision_config": {"model_type": "qwen2_5_vl_vision", "depth": 3, "hidden_size": 32,
    "intermediate_size": 52, "num_heads": 2, "out_hidden_size": 64, "patch_size": 4,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 16,
    "fullatt_block_indexes": [1], "hidden_act": "silu"}})",
        {{48, 96}, {1, 6, 8}, 12}}},
      {"qwen3_vl",
       {R"({"image_token_id": 606, "tie_word_embeddings": false,
  "text_config": {"model_type": "qwen3_vl_text", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
      "mrope_section": [24, 20, 20], "mrope_interleaved": true}},
  "vision_config": {"model_type": "qwen3_vl_vision", "depth": 3, "hidden_size": 32,
    "intermediate_size": 52, "num_heads": 2, "out_hidden_size": 64, "patch_size": 4,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 16,
    "deepstack_visual_indexes": [0, 2], "hidden_act": "gelu_pytorch_tanh"}})",
        {{16, 96}, {1, 4, 4}, 4}}},
      // All layers but the first have experts; three of four a token.
      {"qwen3_vl_moe",
       {R"({"image_token_id": 606, "tie_word_embeddings": false,
  "text_config": {"model_type": "qwen3_vl_moe_text", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 2048,
    "num_experts": 4, "num_experts_per_tok": 3, "moe_intermediate_size": 48,
    "mlp_only_layers": [0],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
      "mrope_section": [24, 20, 20], "mrope_interleaved": true}},
  "vision_config": {"model_type": "qwen3_vl_moe_vision", "depth": 3, "hidden_size": 32,
    "intermediate_size": 52, "num_heads": 2, "out_hidden_size": 64, "patch_size": 4,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 16,
    "deepstack_visual_indexes": [0, 2], "hidden_act": "gelu_pytorch_tanh"}})",
        {{16, 96}, {1, 4, 4}, 4}}},
      // Half of a head turns, by neighbouring pairs.
      {"glm4v",
       {R"({"image_token_id": 606,
  "text_config": {"model_type": "glm4v_text", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
      "partial_rotary_factor": 0.5, "mrope_section": [1, 1, 2]}},
  "vision_config": {"model_type": "glm4v_vision", "depth": 2, "hidden_size": 32,
    "intermediate_size": 52, "num_heads": 2, "out_hidden_size": 64, "patch_size": 4,
    "image_size": 20, "spatial_merge_size": 2, "temporal_patch_size": 2, "hidden_act": "silu"}})",
        {{16, 96}, {1, 4, 4}, 4}}},
      {"glm46v",
       {R"({"image_token_id": 606,
  "text_config": {"model_type": "glm4v_text", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
      "mrope_section": [3, 2, 3]}},
  "vision_config": {"model_type": "glm4v_vision", "depth": 2, "hidden_size": 32,
    "intermediate_size": 52, "num_heads": 2, "out_hidden_size": 64, "patch_size": 4,
    "image_size": 20, "attention_bias": true, "spatial_merge_size": 2, "temporal_patch_size": 2,
    "hidden_act": "silu"}})",
        {{16, 96}, {1, 4, 4}, 4}}},
      // A layer that carries a state and one of attention, which turns a quarter of a head.
      {"qwen3_5",
       {R"({"image_token_id": 606, "tie_word_embeddings": false,
  "text_config": {"model_type": "qwen3_5_text", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
    "linear_value_head_dim": 24, "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
      "partial_rotary_factor": 0.25, "mrope_section": [2, 1, 1], "mrope_interleaved": true}},
  "vision_config": {"model_type": "qwen3_5_vision", "depth": 3, "hidden_size": 32,
    "intermediate_size": 52, "num_heads": 2, "out_hidden_size": 64, "patch_size": 4,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 16,
    "hidden_act": "gelu_pytorch_tanh"}})",
        {{16, 96}, {1, 4, 4}, 4}}},
      // Seven of eight experts a token, and one that all go through: where rounding to bfloat16
      // leaves out another expert, the one that weighs least of eight has changed.
      {"qwen3_5_moe",
       {R"({"image_token_id": 606, "tie_word_embeddings": false,
  "text_config": {"model_type": "qwen3_5_moe_text", "vocab_size": 611, "hidden_size": 64,
    "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "max_position_embeddings": 2048, "num_experts": 8, "num_experts_per_tok": 7,
    "moe_intermediate_size": 48, "shared_expert_intermediate_size": 40,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
    "linear_value_head_dim": 24, "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
      "partial_rotary_factor": 0.25, "mrope_section": [2, 1, 1], "mrope_interleaved": true}},
  "vision_config": {"model_type": "qwen3_5_moe_vision", "depth": 3, "hidden_size": 32,
    "intermediate_size": 52, "num_heads": 2, "out_hidden_size": 64, "patch_size": 4,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 16,
    "hidden_act": "gelu_pytorch_tanh"}})",
        {{16, 96}, {1, 4, 4}, 4}}},
      // A picture of 8 by 4 patches and two slices of 4 by 4 behind it, sixteen patches a token.
      {"minicpmv4_6",
       {R"({"image_token_id": 606, "tie_word_embeddings": false, "insert_layer_id": 0,
  "text_config": {"model_type": "qwen3_5_text", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
    "linear_value_head_dim": 24, "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "full_attention"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
      "partial_rotary_factor": 0.25, "mrope_section": [2, 1, 1], "mrope_interleaved": true}},
  "vision_config": {"model_type": "minicpmv4_6_vision", "hidden_size": 32,
    "intermediate_size": 52, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 4,
    "image_size": 16}})",
        {{64, 48}, {1, 2, 4, 4, 8, 4}, 4}}},
      {"paligemma",
       {R"({"image_token_index": 620, "hidden_size": 64, "projection_dim": 64,
  "vocab_size": 776,
  "text_config": {"model_type": "gemma", "vocab_size": 776, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 1, "head_dim": 32, "num_image_tokens": 16,
    "hidden_act": "gelu_pytorch_tanh", "max_position_embeddings": 2048,
    "use_bidirectional_attention": true,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
  "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
    "patch_size": 8, "projection_dim": 64, "vision_use_head": false}})",
        {{1, 3, 32, 32}, {}, 16}}},
      {"gemma3",
       {R"({"image_token_index": 620, "mm_tokens_per_image": 16,
  "text_config": {"model_type": "gemma3_text", "vocab_size": 628, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 64, "query_pre_attn_scalar": 64,
    "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 2048,
    "sliding_window": 6, "layer_types": ["sliding_attention", "sliding_attention",
      "full_attention", "sliding_attention"],
    "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
      "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}},
  "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
    "patch_size": 8, "vision_use_head": false}})",
        {{1, 3, 32, 32}, {}, 16}}},
      // A picture of 4 by 4 patches, two by two a token; a layer that sees another's keys.
      {"gemma4",
       {R"({"image_token_id": 620, "video_token_id": 621, "audio_token_id": 622,
  "text_config": {"model_type": "gemma4_text", "vocab_size": 628, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "global_head_dim": 64,
    "max_position_embeddings": 2048, "sliding_window": 6, "num_kv_shared_layers": 2,
    "hidden_size_per_layer_input": 16, "vocab_size_per_layer_input": 628,
    "final_logit_softcapping": 30.0, "layer_types": ["sliding_attention", "full_attention",
      "sliding_attention", "full_attention"]},
  "vision_config": {"model_type": "gemma4_vision", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16,
    "patch_size": 4, "pooling_kernel_size": 2, "position_embedding_size": 150,
    "use_clipped_linears": true, "standardize": true}})",
        {{16, 48}, {1, 4, 4, 2, 280}, 4}}},
      // A picture of 2 by 3 patches, each a token; full layers take their keys for values.
      {"gemma4_unified",
       {R"({"image_token_id": 620, "video_token_id": 621, "audio_token_id": 622,
  "text_config": {"model_type": "gemma4_unified_text", "vocab_size": 628, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "global_head_dim": 64, "attention_k_eq_v": true,
    "num_global_key_value_heads": 1, "max_position_embeddings": 2048, "sliding_window": 6,
    "final_logit_softcapping": 30.0, "layer_types": ["full_attention", "sliding_attention",
      "full_attention"]},
  "vision_config": {"model_type": "gemma4_unified_vision", "patch_size": 4,
    "pooling_kernel_size": 2, "mm_embed_dim": 64, "output_proj_dims": 64,
    "mm_posemb_size": 80}})",
        {{6, 192}, {1, 2, 3, 1, 70}, 6}}},
      {"llama", {R"({"vocab_size": 565, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64,
  "max_position_embeddings": 2048,
  "rope_parameters": {"rope_type": "llama3", "rope_theta": 20000.0, "factor": 4.0,
    "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 64}})"}},
      {"qwen2", {R"({"vocab_size": 607, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
  "max_position_embeddings": 2048,
  "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}})"}},
      // A picture of 24 × 16 in patches of 4, two by two a token: 3 rows of 2. Queries grow.
      {"mistral3",
       {R"({"image_token_index": 561, "spatial_merge_size": 2, "tie_word_embeddings": false,
  "text_config": {"model_type": "ministral3", "vocab_size": 565, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
      "original_max_position_embeddings": 16, "llama_4_scaling_beta": 0.3}},
  "vision_config": {"model_type": "pixtral", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 4}})",
        {{24, 48}, {1, 6, 4}, 6}}},
      // Two tiles of 8 × 8 and the whole of 8 × 16 behind them, two by two patches of 4 a token.
      {"lfm2_vl",
       {R"({"image_token_id": 606, "tie_word_embeddings": false, "downsample_factor": 2,
  "projector_hidden_size": 48,
  "text_config": {"model_type": "lfm2", "vocab_size": 611, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048,
    "block_auto_adjust_ff_dim": false, "layer_types": ["conv", "full_attention"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
  "vision_config": {"model_type": "siglip2_vision_model", "hidden_size": 32,
    "intermediate_size": 52, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 4,
    "num_patches": 16}})",
        {{16, 48}, {1, 2, 2, 2, 4}, 4}}},
      // Two tiles and the whole, of 4 tokens each. One of the layers knows no positions.
      {"aya_vision",
       {R"({"image_token_index": 561, "downsample_factor": 2, "tie_word_embeddings": true,
  "alignment_intermediate_size": 96,
  "text_config": {"model_type": "cohere2", "vocab_size": 565, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048, "sliding_window": 20,
    "sliding_window_pattern": 2,
    "rope_parameters": {"rope_type": "default", "rope_theta": 50000.0}},
  "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
    "patch_size": 8, "vision_use_head": false}})",
        {{3, 3, 32, 32}, {3}, 12}}},
      // Two tiles behind the whole, of 4 tokens each; two of the text's tokens are the table's.
      {"ovis2",
       {R"({"image_token_id": 603, "visual_indicator_token_ids": [17, 45], "hidden_size": 64,
  "text_config": {"model_type": "qwen2", "vocab_size": 607, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
  "vision_config": {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "image_size": 32, "patch_size": 8, "hidden_stride": 2,
    "vocab_size": 48, "num_visual_indicator_tokens": 3}})",
        {{3, 3, 32, 32}, {1, 2}, 12}}},
      // Two tiles of up to four, 17 tokens each; the mark is one past the vocabulary.
      {"mllama",
       {R"({"image_token_index": 565,
  "text_config": {"model_type": "mllama_text_model", "vocab_size": 565, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048, "cross_attention_layers": [1],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
  "vision_config": {"model_type": "mllama_vision_model", "hidden_size": 32,
    "intermediate_size": 52, "num_hidden_layers": 2, "num_global_layers": 1, "attention_heads": 2,
    "image_size": 32, "patch_size": 8, "intermediate_layers_indices": [0],
    "vision_output_dim": 64}})",
        {{4, 3, 32, 32}, {1, 2, 4}, 1}}},
      // A tile of 3 by 3 patches and the whole of 4 by 4, of 144 tokens each, and one that ends
      // them. Half of the tower's layers look within windows.
      {"deepseek_ocr2",
       {R"({"image_token_id": 561,
  "text_config": {"vocab_size": 565, "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
    "n_shared_experts": 2, "max_position_embeddings": 2048,
    "mlp_layer_types": ["dense", "sparse", "sparse", "sparse", "sparse", "sparse"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
  "vision_config": {
    "sam_config": {"hidden_size": 64, "output_channels": 24, "num_hidden_layers": 2,
      "num_attention_heads": 4, "image_size": 16, "patch_size": 4, "window_size": 3,
      "global_attn_indexes": [1], "mlp_ratio": 1.5, "downsample_channels": [40, 64]},
    "encoder_config": {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
      "num_attention_heads": 4, "num_key_value_heads": 2,
      "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}}}})",
        {{3 * (12 * 12 + 16 * 16)}, {1, 1, 12, 16}, 2 * 144 + 1}}},
      {"mistral", {R"({"vocab_size": 565, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
  "max_position_embeddings": 2048, "sliding_window": 20,
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}})"}},
      {"qwen3", {R"({"vocab_size": 607, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
  "max_position_embeddings": 2048,
  "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}})"}},
      {"smollm3", {R"({"vocab_size": 607, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "max_position_embeddings": 2048, "no_rope_layer_interval": 2,
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}})"}},
      {"lfm2", {R"({"vocab_size": 607, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "max_position_embeddings": 2048, "block_auto_adjust_ff_dim": false,
  "tie_word_embeddings": false, "layer_types": ["conv", "full_attention", "conv"],
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}})"}},
      {"glm", {R"({"vocab_size": 607, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
  "max_position_embeddings": 2048,
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
    "partial_rotary_factor": 0.5}})"}},
      {"glm4", {R"({"vocab_size": 607, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
  "max_position_embeddings": 2048,
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
    "partial_rotary_factor": 0.5}})"}},
      {"cohere2", {R"({"vocab_size": 565, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
  "max_position_embeddings": 2048, "sliding_window": 20, "sliding_window_pattern": 2,
  "tie_word_embeddings": false, "logit_scale": 0.25,
  "rope_parameters": {"rope_type": "default", "rope_theta": 50000.0}})"}},
      {"phi3", {R"({"vocab_size": 607, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
  "max_position_embeddings": 2048, "sliding_window": 20, "pad_token_id": 0,
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                      "partial_rotary_factor": 0.75}})"}},
      {"qwen3_5_text", {R"({"vocab_size": 607, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
  "max_position_embeddings": 2048, "linear_num_key_heads": 2, "linear_num_value_heads": 2,
  "linear_key_head_dim": 16, "linear_value_head_dim": 16,
  "layer_types": ["linear_attention", "full_attention"],
  "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0,
    "partial_rotary_factor": 0.25, "mrope_section": [2, 1, 1], "mrope_interleaved": true}})"}},
      {"qwen3_5_moe_text", {R"({"vocab_size": 607, "hidden_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
  "max_position_embeddings": 2048, "num_experts": 4, "num_experts_per_tok": 2,
  "moe_intermediate_size": 32, "shared_expert_intermediate_size": 48,
  "linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 16,
  "linear_value_head_dim": 16, "layer_types": ["linear_attention", "full_attention"],
  "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0,
    "partial_rotary_factor": 0.25, "mrope_section": [2, 1, 1], "mrope_interleaved": true}})"}},
      {"mllama_text_model", {R"({"vocab_size": 565, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "max_position_embeddings": 2048, "cross_attention_layers": [1],
  "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}})"}},
      {"gemma3_text", {R"({"vocab_size": 565, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
  "query_pre_attn_scalar": 32, "hidden_activation": "gelu_pytorch_tanh",
  "max_position_embeddings": 2048, "sliding_window": 20,
  "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
  "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}})"}},
      {"gemma4_unified_text", {R"({"vocab_size": 565, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
  "global_head_dim": 64, "attention_k_eq_v": true, "num_global_key_value_heads": 1,
  "max_position_embeddings": 2048, "sliding_window": 20, "final_logit_softcapping": 30.0,
  "layer_types": ["full_attention", "sliding_attention", "full_attention"]})"}},
      // The last two layers see the keys and values of the first two.
      {"gemma4_text", {R"({"vocab_size": 565, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
  "global_head_dim": 64, "sliding_window": 20, "num_kv_shared_layers": 2,
  "use_double_wide_mlp": true, "hidden_size_per_layer_input": 16,
  "vocab_size_per_layer_input": 565, "final_logit_softcapping": 30.0,
  "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
  "rope_parameters": {
    "full_attention": {"rope_type": "proportional", "rope_theta": 1000000.0,
      "partial_rotary_factor": 0.25},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}})"}},
      {"bert",
       {R"({"vocab_size": 160, "hidden_size": 64, "intermediate_size": 96,
  "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64,
  "hidden_act": "gelu", "type_vocab_size": 2})",
        {},
        "mlm",
        -1,
        {18, 40, 30}}},
      {"t5",
       {R"({"vocab_size": 160, "d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2,
  "num_decoder_layers": 2, "num_heads": 4, "feed_forward_proj": "relu",
  "decoder_start_token_id": 0, "is_encoder_decoder": true,
  "relative_attention_max_distance": 20, "relative_attention_num_buckets": 8})",
        {},
        "span_corruption"}},
      {"florence2",
       {.config = R"({"image_token_id": 150, "text_config": {"vocab_size": 160, "d_model": 64,
    "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 96, "decoder_ffn_dim": 96,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 256},
  "vision_config": {"depths": [1, 2, 1], "embed_dim": [32, 48, 64], "num_heads": [2, 3, 4],
    "num_groups": [2, 3, 4], "window_size": 3, "projection_dim": 64}})",
        .picture = {{1, 3, 40, 40}, {}, 10},
        .start = 2}},
      // The state of the text's end is the text's.
      {"clip",
       {R"({"projection_dim": 32,
  "text_config": {"model_type": "clip_text_model", "vocab_size": 904, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 14, "eos_token_id": 902, "hidden_act": "quick_gelu"},
  "vision_config": {"model_type": "clip_vision_model", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 30, "patch_size": 6,
    "hidden_act": "quick_gelu"}})",
        {{1, 3, 30, 30}, {}, 0},
        "contrastive",
        902,
        {14, 9, 11}}},
  };
  return table;
}

constexpr std::int64_t kTextBefore = 2;  ///< tokens before a picture's

/// So many numbers between −1 and 1 that no two pictures share.
PixelValues tiny_pixels(const TinyPicture& picture, std::int64_t number) {
  std::int64_t count = 1;
  for (const std::int64_t side : picture.shape) count *= side;
  PixelValues values;
  values.shape = picture.shape, values.grid = picture.grid;
  for (std::int64_t i = 0; i < count; ++i)
    values.values.push_back(static_cast<float>((i + 5 * number) % 37) / 18.0f - 1);
  return values;
}

Example tiny_example(const TinyModel& model, std::int64_t number, std::int64_t beyond) {
  constexpr std::int64_t kFirstId = 3, kIds = 100, kLongerSource = 9;
  Example example;
  const std::int64_t shown = model.image >= 0 ? model.picture.tokens : 0;
  for (std::int64_t i = 0; i < beyond + shown; ++i) {
    const bool picture = i >= kTextBefore && i < kTextBefore + shown;
    example.input_ids.push_back(picture ? model.image : kFirstId + (i * 7 + number * 13) % kIds);
    example.labels.push_back(picture || i <= kTextBefore ? kIgnoreLabel : example.input_ids.back());
  }
  if (model.last >= 0) example.input_ids.back() = model.last;
  if (model.start >= 0) {
    example.source_ids = std::move(example.input_ids);  // and another text is the decoder's
    example.input_ids = {model.start}, example.labels = {kIgnoreLabel};
    for (std::int64_t i = 0; i < beyond; ++i) {
      example.input_ids.push_back(kFirstId + (i * 11 + number * 5) % kIds);
      example.labels.push_back(example.input_ids.back());
    }
  }
  example.prompt_tokens = shown + kTextBefore + 1;
  if (!model.picture.shape.empty()) example.images.push_back(tiny_pixels(model.picture, number));
  if (model.objective == "span_corruption") {
    for (std::int64_t i = 0; i < beyond + kLongerSource; ++i)
      example.source_ids.push_back(kFirstId + (i * 11 + number * 5) % kIds);
  }
  return example;
}

}  // namespace

Result<TinyModel> tiny_model(const Family& family) {
  const std::string name = family.model_type;
  const auto found = written_down().find(name);
  if (found == written_down().end())
    return input_error("No small model of the family " + name + " is written down.",
                       "engine/check/tiny_models.cpp");
  const WrittenDown& written = found->second;
  TinyModel model;
  model.family = &family;
  model.objective = written.objective;
  LUTHIER_TRY(model.config, parse_json(written.config, name));
  model.config["model_type"] = name;
  model.picture = written.picture, model.last = written.last, model.start = written.start;
  model.lengths = written.lengths;
  for (const char* key : {"image_token_id", "image_token_index"})
    if (model.config.contains(key)) model.image = model.config[key].get<TokenId>();
  return model;
}

TinyModel deeper(TinyModel model, std::int64_t more) {
  const auto grow = [more](Json& section) {
    for (const char* key : {"num_hidden_layers", "num_layers", "encoder_layers", "decoder_layers"})
      if (section.contains(key)) section[key] = section[key].get<std::int64_t>() + more;
    if (!section.contains("layer_types")) return;
    Json& types = section["layer_types"];
    for (std::int64_t i = 0; i < more; ++i) types.push_back(types[0]);
  };
  grow(model.config);
  if (model.config.contains("text_config")) grow(model.config["text_config"]);
  return model;
}

Result<LoadedModel> drawn(const TinyModel& model, const torch::TensorOptions& tensors,
                          torch::ScalarType rounding,
                          std::shared_ptr<const ChatProcessor> processor) {
  constexpr std::uint64_t kSeed = 7;
  constexpr double kSpread = 0.05, kNormsAround = 0.5;
  LoadedModel loaded;
  loaded.family = model.family, loaded.config = model.config;
  loaded.processor = std::move(processor);
  loaded.stored_dtype = "F32";
  loaded.drawn = true;
  LUTHIER_TRY(const Plan plan, model.family->read(model.config, model.family->model_type));
  loaded.model = plan.made(tensors);
  const torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(kSeed);
  const std::map<std::string, double> fixed = fixed_values(*loaded.model);
  for (auto& item : loaded.model->named_parameters()) {
    torch::Tensor& tensor = item.value();
    if (const auto first = fixed.find(item.key()); first != fixed.end()) {
      tensor.fill_(first->second);
      continue;
    }
    torch::Tensor values =
        torch::empty(tensor.sizes(), torch::kFloat32).normal_(0, kSpread, generator);
    // Not biases: what is added to every state makes all of them alike, and CLIP's gradients what
    // is left of terms that are thousands of times as large.
    if (tensor.dim() == 1 && !item.key().ends_with("bias")) values.add_(kNormsAround);
    tensor.copy_(values.to(rounding).to(tensor.scalar_type()));
  }
  loaded.model->eval();
  return loaded;
}

MicroBatch tiny_rows(const TinyModel& model) {
  MicroBatch rows;
  for (std::size_t row = 0; row < model.lengths.size(); ++row) {
    const auto number = static_cast<std::int64_t>(row);
    rows.rows.push_back(number);
    rows.encoded.emplace_back().sequences.push_back(
        tiny_example(model, number, model.lengths[row]));
    rows.cached.emplace_back();
  }
  return rows;
}

std::vector<Example> tiny_prompts(const TinyModel& model) {
  std::vector<Example> prompts;
  for (const std::int64_t beyond : {12, 12, 15})
    prompts.push_back(tiny_example(model, static_cast<std::int64_t>(prompts.size()), beyond));
  for (Example& prompt : prompts) {
    prompt.labels.clear();
    if (!prompt.source_ids.empty()) prompt.input_ids.clear();  // the answer begins by itself
  }
  return prompts;
}

}  // namespace luthier
