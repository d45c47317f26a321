# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's model of each family: the parity suite's builder with larger sizes. A tower of 8
x 384 and a decoder of 8 x 512, so that all lie
between 50 and 80 M parameters; 32,064 words for all, fewer than Qwen's and Gemma's own, whose
embeddings would be most of a model of
this size. Pictures are limited to about 250 tokens."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parity"))
from transformers import (BartConfig, CLIPVisionConfig, Cohere2Config, GemmaConfig, Lfm2Config,
                          LlamaConfig, MistralConfig, PixtralVisionConfig, Qwen2Config,
                          SiglipVisionConfig)

from families import FAMILIES
from families.base import Spec
from families.qwen2_vl import mrope

PACKED = "qwen2_vl"         # the family of the row "packing"
DECODER = dict(vocab_size=32064, hidden_size=512, intermediate_size=1408, num_hidden_layers=8,
               num_attention_heads=8, num_key_value_heads=4)
TOWER = dict(hidden_size=384, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=6)
WITHOUT_HEAD = {**TOWER, "image_size": 224, "patch_size": 16, "vision_use_head": False}
QWEN = {**DECODER, "rope_parameters": mrope([8, 12, 12])}
# Eight experts of which two work for a token have as many weights as one plain feed-forward.
EXPERTS = dict(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=176)
LINEAR = dict(head_dim=64, linear_key_head_dim=64, linear_value_head_dim=64,
              linear_num_key_heads=4, linear_num_value_heads=8,
              rope_parameters={**mrope([4, 2, 2], mrope_interleaved=True),
                               "partial_rotary_factor": 0.25})
QWEN3_TOWER = dict(depth=8, hidden_size=384, intermediate_size=1536, num_heads=6, patch_size=16,
                   num_position_embeddings=576)
WIDER = dict(min_pixels=4 * 32 * 32, max_pixels=196 * 32 * 32)
LIMITS = dict(min_pixels=4 * 28 * 28, max_pixels=196 * 28 * 28)
TILES = dict(size={"longest_edge": 384}, max_image_size={"longest_edge": 192})
PATCHED = {**TOWER, "image_size": 192, "patch_size": 16}
GLM = Spec(dict(depth=8, hidden_size=384, intermediate_size=1024, num_heads=6, patch_size=14), None,
           {**DECODER, "rope_parameters": mrope([4, 6, 6], partial_rotary_factor=0.5)},
           "qwen", "glm", picture=dict(min_pixels=8 * 28 * 28, max_pixels=392 * 28 * 28))
# One layer in four sees everything.
GEMMA4 = {**DECODER, "head_dim": 64, "sliding_window": 128, "final_logit_softcapping": 30.0,
          "layer_types": ["sliding_attention"] * 3 + ["full_attention"] + [
              "sliding_attention"] * 3 + ["full_attention"]}

SPECS = {
    "qwen2_vl": Spec(dict(depth=8, embed_dim=384, num_heads=6, mlp_ratio=4, patch_size=14), None,
                     QWEN, "qwen", "qwen_vl", picture=LIMITS),
    "qwen2_5_vl": Spec(dict(depth=8, hidden_size=384, intermediate_size=1024, num_heads=6,
                            patch_size=14, window_size=112,
                            fullatt_block_indexes=[3, 7]), None, QWEN, "qwen", "qwen_vl",
                            picture=LIMITS),
    "qwen3_vl": Spec({**QWEN3_TOWER, "deepstack_visual_indexes": [2, 4, 6]}, None,
                     {**DECODER, "head_dim": 64, "rope_parameters": mrope([8, 12, 12])},
                     "qwen", "qwen_vl", picture=WIDER),
    "qwen3_vl_moe": Spec({**QWEN3_TOWER, "deepstack_visual_indexes": [2, 4, 6]}, None,
                         {**DECODER, **EXPERTS, "head_dim": 64,
                          "rope_parameters": mrope([8, 12, 12])},
                         "qwen", "qwen_vl", picture=WIDER),
    "qwen3_5": Spec(QWEN3_TOWER, None, {**DECODER, **LINEAR}, "qwen", "qwen_vl", picture=WIDER),
    "qwen3_5_moe": Spec(QWEN3_TOWER, None,
                        {**DECODER, **LINEAR, **EXPERTS, "shared_expert_intermediate_size": 176},
                        "qwen", "qwen_vl", picture=WIDER),
    "mistral3": Spec(PixtralVisionConfig(hidden_size=384, intermediate_size=1024,
                                         num_attention_heads=6, num_hidden_layers=8,
                                         image_size=448, patch_size=14), MistralConfig,
                     {**DECODER, "sliding_window": None, "rope_parameters": dict(
                         rope_type="default", rope_theta=1e6)},
                     "llama_bos", "pixtral", dict(tie_word_embeddings=False),
                     dict(size={"longest_edge": 448})),
    "glm4v": GLM,
    "glm46v": GLM,
    "smolvlm": Spec(PATCHED, LlamaConfig, DECODER, "qwen", "smolvlm", picture=TILES),
    "idefics3": Spec(PATCHED, LlamaConfig, DECODER, "llama_bos", "bos_turns", picture=TILES),
    "llava_next": Spec(CLIPVisionConfig(**TOWER, image_size=112, patch_size=16, projection_dim=384),
                       LlamaConfig, DECODER, "llama_bos", "vicuna",
                       dict(image_grid_pinpoints=[[112, 224], [224, 112], [224, 224]])),
    "llava_onevision": Spec(
        SiglipVisionConfig(**{**WITHOUT_HEAD, "image_size": 112}), Qwen2Config, DECODER, "qwen",
        "chatml", dict(image_grid_pinpoints=[[112, 224], [224, 112], [224, 224], [336, 336]],
                       vision_aspect_ratio="anyres_max_4")),
    "internvl": Spec({**TOWER, "image_size": 224, "patch_size": 16}, Qwen2Config, DECODER, "qwen",
                     "internvl", dict(tie_word_embeddings=False),
                     dict(max_patches=4)),
    "paligemma": Spec(WITHOUT_HEAD, GemmaConfig,
                      {**DECODER, "num_key_value_heads": 1, "head_dim": 64}, "gemma", None),
    "gemma3": Spec({**WITHOUT_HEAD, "patch_size": 14}, None,
                   {**DECODER, "head_dim": 64, "query_pre_attn_scalar": 64, "sliding_window": 128},
                   "gemma", "gemma", dict(mm_tokens_per_image=64)),
    # embeddings for each layer, keys and values of earlier layers, as the small ones have them
    "gemma4": Spec(
        dict(hidden_size=384, intermediate_size=1024, num_attention_heads=6,
             num_key_value_heads=6, head_dim=64, num_hidden_layers=8, patch_size=16,
             pooling_kernel_size=3, position_embedding_size=1024), None,
        {**GEMMA4, "global_head_dim": 64, "num_kv_shared_layers": 4, "use_double_wide_mlp": True,
         "hidden_size_per_layer_input": 32},
        "gemma", "gemma4", dict(tie_word_embeddings=True), dict(max_soft_tokens=140)),
    # as the large ones: full layers whose keys are their values
    "gemma4_unified": Spec(
        dict(patch_size=16, pooling_kernel_size=3, mm_embed_dim=512, output_proj_dims=512,
             mm_posemb_size=256), None,
        {**GEMMA4, "global_head_dim": 128, "attention_k_eq_v": True,
         "num_global_key_value_heads": 2},
        "gemma", "gemma4", dict(tie_word_embeddings=True), dict(max_soft_tokens=140)),
    "lfm2_vl": Spec(
        {**TOWER, "model_type": "siglip2_vision_model", "patch_size": 16, "num_patches": 256},
        Lfm2Config, {**DECODER, "layer_types": ["conv", "conv", "full_attention"] * 2 + [
            "conv", "full_attention"]}, "qwen", "smolvlm", dict(tie_word_embeddings=True),
        dict(encoder_patch_size=16, tile_size=256, min_image_tokens=16, max_image_tokens=196,
             max_tiles=4)),
    "aya_vision": Spec(
        SiglipVisionConfig(**WITHOUT_HEAD), Cohere2Config,
        {**DECODER, "sliding_window": 128, "layer_types": [
            "sliding_attention", "sliding_attention", "sliding_attention", "full_attention"] * 2},
        "cohere", "cohere", dict(tie_word_embeddings=True), dict(max_patches=4)),
    "ovis2": Spec({**TOWER, "image_size": 224, "patch_size": 14, "hidden_stride": 2,
                   "vocab_size": 2048}, Qwen2Config, DECODER, "qwen", "chatml",
                  dict(tie_word_embeddings=False), dict(crop_to_patches=True, max_patches=4)),
    # as the published ones, with half as many layers in the third stage
    "florence2": Spec(
        dict(depths=(1, 1, 4, 1), patch_size=(7, 3, 3, 3), patch_stride=(4, 2, 2, 2),
             patch_padding=(3, 1, 1, 1), patch_prenorm=(False, True, True, True),
             embed_dim=(64, 128, 256, 512), num_heads=(2, 4, 8, 16), num_groups=(2, 4, 8, 16),
             window_size=7, drop_path_rate=0.0),
        BartConfig, dict(vocab_size=32064, d_model=512, encoder_layers=4, decoder_layers=4,
                         encoder_ffn_dim=2048, decoder_ffn_dim=2048, encoder_attention_heads=8,
                         decoder_attention_heads=8, dropout=0.0, max_position_embeddings=1024),
        "bart", None, {}, dict(size=dict(height=448, width=448))),
    "llama": Spec(None, None, DECODER, "llama_bos", "vicuna"),
    "qwen2": Spec(None, None, DECODER, "qwen", "chatml"),
}


def find(name):
    return next(family for family in FAMILIES if family.model_type == name), SPECS[name]
