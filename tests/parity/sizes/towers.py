# SPDX-License-Identifier: GPL-3.0-or-later
"""Families with towers of their own."""
from transformers import (Lfm2Config, Ministral3Config, MistralConfig, MllamaTextConfig,
                          PixtralVisionConfig)

from families.base import Spec
from families.qwen2_vl import mrope
from sizes.size import COUNT, ROUNDED, READ, SIGLIP, SIGLIP_BASE, Size, llama_like
from sizes.text import LFM2, MLLAMA_11B, MLLAMA_90B


def mistral3(parameters, source, text_class, text, tied=False):
    tower = PixtralVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
                                num_attention_heads=16, head_dim=64, image_size=1540,
                                patch_size=14, hidden_act="silu")
    return Size(Spec(tower, text_class, {**text, "head_dim": 128, "tie_word_embeddings": tied},
                     "llama_bos", "pixtral", dict(tie_word_embeddings=tied),
                     dict(size={"longest_edge": 1540})), parameters, source)


def lfm2_vl(parameters, name, tower, source=COUNT, norm=True, width=2560):
    return Size(Spec({**tower, "patch_size": 16, "num_patches": 256, "vision_use_head": False},
                     Lfm2Config, {**LFM2[name], "max_position_embeddings": 128000}, "qwen",
                     "smolvlm", dict(projector_hidden_size=width, projector_use_layernorm=norm)),
                parameters, source)


def glm4v(parameters):
    """transformers' default, which is GLM-4.1V 9B's."""
    tower = dict(depth=24, hidden_size=1536, intermediate_size=13696, num_heads=12, image_size=336,
                 patch_size=14)
    text = llama_like(4096, 13696, 40, 32, 2, 151552, max_position_embeddings=65536,
                      rope_parameters=mrope([8, 12, 12], rope_theta=1e4,
                                            partial_rotary_factor=0.5))
    return Size(Spec(tower, None, {**text, "tie_word_embeddings": False}, "qwen", "glm",
                     dict(tie_word_embeddings=False),
                     dict(min_pixels=112 * 112, max_pixels=28 * 28 * 15000)), parameters, READ)


MLLAMA_TOWER = dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32,
                    num_global_layers=8, attention_heads=16, image_size=560, patch_size=14,
                    max_num_tiles=4, intermediate_layers_indices=[3, 7, 15, 23, 30],
                    vision_output_dim=7680)


def mllama(parameters, source, text):
    return Size(Spec(MLLAMA_TOWER, MllamaTextConfig, text, "llama_bos", "llama3"), parameters,
                source)


def phi4_multimodal(parameters):
    pairs = 48
    return Size(Spec({**SIGLIP, "image_size": 448, "crop_size": 448}, None, llama_like(
        3072, 8192, 32, 24, 8, 200064, tie_word_embeddings=True, max_position_embeddings=131072,
        original_max_position_embeddings=4096, rope_parameters=dict(
            rope_type="longrope", rope_theta=1e4, partial_rotary_factor=0.75,
            original_max_position_embeddings=4096, short_factor=[1.0] * pairs,
            long_factor=[1.0] * pairs)), "qwen", "phi4"), parameters, ROUNDED,
        note="Phi-4-multimodal is counted as it is read: without the half that hears and the two "
             "adapters that\nare published with it, with which it has 5.57 billion parameters.")


SIZES = {
    "mistral3": {
        "Ministral 3 3B": mistral3(3_849_090_048, ROUNDED, Ministral3Config,
                                   llama_like(3072, 9216, 26, 32, 8, 131072), tied=True),
        "Mistral Small 3.1 24B": mistral3(24_011_361_280, COUNT, MistralConfig, llama_like(
            5120, 32768, 40, 32, 8, 131072, sliding_window=None)),
    },
    "lfm2_vl": {
        "LFM2-VL 450M": lfm2_vl(450_822_656, "350M", SIGLIP_BASE),
        "LFM2-VL 1.6B": lfm2_vl(1_584_804_000, "1.2B", {**SIGLIP, "num_hidden_layers": 26}),
        "LFM2.5-VL 1.6B": lfm2_vl(1_596_625_904, "1.2B", SIGLIP, READ, norm=False, width=2048),
        "LFM2-VL 3B": lfm2_vl(2_998_975_216, "2.6B", SIGLIP),
    },
    "glm4v": {"GLM-4.1V 9B": glm4v(10_292_777_472)},
    "glm46v": {"GLM-4.6V Flash 9B": glm4v(10_292_777_472)},
    "mllama": {
        "Llama 3.2 Vision 11B": mllama(10_670_220_835, COUNT, MLLAMA_11B),
        "Llama 3.2 Vision 90B": mllama(88_593_355_323, READ, MLLAMA_90B),
    },
    "phi4_multimodal": {"Phi-4-multimodal 5.6B": phi4_multimodal(4_277_571_776)},
    "deepseek_ocr2": {
        "DeepSeek-OCR-2 3B": Size(Spec(
            ({}, dict(hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
                      num_attention_heads=14, num_key_value_heads=2)), None,
            llama_like(1280, 6848, 12, 10, 10, 129280, n_routed_experts=64, n_shared_experts=2,
                       num_experts_per_tok=6, moe_intermediate_size=896,
                       mlp_layer_types=["dense"] + ["sparse"] * 11, tie_word_embeddings=False),
            "llama_bos", "bos_turns", dict(tie_word_embeddings=False),
            dict(patch_size=16, size=1024)), 3_389_119_360, COUNT),
    },
}
