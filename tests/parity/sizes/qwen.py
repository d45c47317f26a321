# SPDX-License-Identifier: GPL-3.0-or-later
"""Qwen-VL of every generation, their mixtures of experts, the text halves of Qwen3.5, and what is
built on them."""
from transformers import Qwen3_5TextConfig

from families.base import Spec
from families.qwen2_vl import mrope
from sizes.size import COUNT, ROUNDED, READ, SIGLIP, Size, llama_like

# The picture processors' own limits.
PIXELS_14 = dict(min_pixels=56 * 56, max_pixels=14 * 14 * 4 * 16384)
PIXELS_16 = dict(min_pixels=65536, max_pixels=16777216)
SECTIONS = [16, 24, 24]
LONG = dict(max_position_embeddings=262144)


def qwen_vl(parameters, tower, text, tied, pictures, source=COUNT):
    return Size(Spec(tower, None, {**text, "tie_word_embeddings": tied}, "qwen", "qwen_vl",
                     dict(tie_word_embeddings=tied), pictures), parameters, source)


def qwen2_vl(parameters, *sizes, tied=False):
    text = llama_like(*sizes, max_position_embeddings=32768,
                      rope_parameters=mrope(SECTIONS, rope_theta=1e6))
    return qwen_vl(parameters, dict(depth=32, embed_dim=1280, num_heads=16, mlp_ratio=4,
                                    patch_size=14), text, tied, PIXELS_14)


def qwen2_5_vl(parameters, tower_width, *sizes, tied=False):
    text = llama_like(*sizes, max_position_embeddings=128000,
                      rope_parameters=mrope(SECTIONS, rope_theta=1e6))
    return qwen_vl(parameters, dict(
        depth=32, hidden_size=1280, intermediate_size=tower_width, num_heads=16, patch_size=14,
        window_size=112, fullatt_block_indexes=[7, 15, 23, 31]), text, tied, PIXELS_14)


def tower(layers, hidden, width, heads, **more):
    return dict(depth=layers, hidden_size=hidden, intermediate_size=width, num_heads=heads,
                patch_size=16, num_position_embeddings=2304, **more)


QWEN3_SMALL = tower(24, 1024, 4096, 16, deepstack_visual_indexes=[5, 11, 17])
QWEN3_LARGE = tower(27, 1152, 4304, 16, deepstack_visual_indexes=[8, 16, 24])
QWEN3_5_SMALL, QWEN3_5_LARGE = tower(12, 768, 3072, 12), tower(27, 1152, 4304, 16)


def qwen3_vl(parameters, tower, *sizes, tied=False, **more):
    text = llama_like(*sizes, 151936, head_dim=128, **LONG, **more, rope_parameters=mrope(
        [24, 20, 20], rope_theta=5e6, mrope_interleaved=True))
    return qwen_vl(parameters, tower, text, tied, PIXELS_16)


def qwen3_5_text(*sizes, values=32, **more):
    return llama_like(*sizes, 248320, head_dim=256, linear_num_value_heads=values, **LONG, **more,
                      rope_parameters=mrope([11, 11, 10], rope_theta=1e7, mrope_interleaved=True,
                                            partial_rotary_factor=0.25))


QWEN3_5 = {
    "0.8B": qwen3_5_text(1024, 3584, 24, 8, 2, values=16),
    "9B": qwen3_5_text(4096, 12288, 32, 16, 4),
    "27B": qwen3_5_text(5120, 17408, 64, 24, 4, values=48),
}


def experts(hidden, layers, heads, groups, values, count, chosen, width):
    sizes = qwen3_5_text(hidden, 0, layers, heads, groups, values=values, num_experts=count,
                         num_experts_per_tok=chosen, moe_intermediate_size=width,
                         shared_expert_intermediate_size=width)
    sizes.pop("intermediate_size")
    return sizes


QWEN3_5_MOE = experts(2048, 40, 16, 2, 32, 256, 8, 512)      # 35B-A3B, transformers' default


def alone(parameters, text, tied=False):
    """The text half in a folder of its own."""
    rope = {key: value for key, value in text["rope_parameters"].items()
            if not key.startswith("mrope")}
    return Size(Spec(None, None, {**text, "rope_parameters": rope, "tie_word_embeddings": tied},
                     "qwen", "chatml"), parameters, READ)


SIZES = {
    "qwen2_vl": {
        "Qwen2-VL 2B": qwen2_vl(2_208_985_600, 1536, 8960, 28, 12, 2, 151936, tied=True),
        "Qwen2-VL 7B": qwen2_vl(8_291_375_616, 3584, 18944, 28, 28, 4, 152064),
        "Qwen2-VL 72B": qwen2_vl(73_405_560_320, 8192, 29568, 80, 64, 8, 152064),
    },
    "qwen2_5_vl": {
        "Qwen2.5-VL 3B": qwen2_5_vl(3_754_622_976, 3420, 2048, 11008, 36, 16, 2, 151936,
                                    tied=True),
        "Qwen2.5-VL 7B": qwen2_5_vl(8_292_166_656, 3420, 3584, 18944, 28, 28, 4, 152064),
        "Qwen2.5-VL 32B": qwen2_5_vl(33_452_718_336, 3456, 5120, 27648, 64, 40, 8, 152064),
        "Qwen2.5-VL 72B": qwen2_5_vl(73_410_777_344, 3456, 8192, 29568, 80, 64, 8, 152064),
    },
    "qwen3_vl": {
        "Qwen3-VL 2B": qwen3_vl(2_127_532_032, QWEN3_SMALL, 2048, 6144, 28, 16, 8, tied=True),
        "Qwen3-VL 4B": qwen3_vl(4_437_815_808, QWEN3_SMALL, 2560, 9728, 36, 32, 8, tied=True),
        "Qwen3-VL 8B": qwen3_vl(8_767_123_696, QWEN3_LARGE, 4096, 12288, 36, 32, 8),
    },
    "qwen3_vl_moe": {
        "Qwen3-VL 30B-A3B": qwen3_vl(31_070_754_032, QWEN3_LARGE, 2048, 6144, 48, 32, 4,
                                     num_experts=128, num_experts_per_tok=8,
                                     moe_intermediate_size=768),
    },
    "qwen3_5": {
        "Qwen3.5 0.8B": qwen_vl(852_985_920, QWEN3_5_SMALL, QWEN3_5["0.8B"], True, PIXELS_16,
                                ROUNDED),
        "Qwen3.5 9B": qwen_vl(9_409_813_744, QWEN3_5_LARGE, QWEN3_5["9B"], False, PIXELS_16, READ),
        "Qwen3.5 27B": qwen_vl(27_356_728_560, QWEN3_5_LARGE, QWEN3_5["27B"], False, PIXELS_16,
                               READ),
    },
    "qwen3_5_moe": {
        "Qwen3.5 35B-A3B": qwen_vl(35_107_181_936, QWEN3_5_LARGE, QWEN3_5_MOE, False, PIXELS_16,
                                   READ),
    },
    "qwen3_5_text": {
        "Qwen3.5 0.8B, its text half": alone(752_393_024, QWEN3_5["0.8B"], tied=True),
        "Qwen3.5 9B, its text half": alone(8_953_803_264, QWEN3_5["9B"]),
        "Qwen3.5 27B, its text half": alone(26_895_998_464, QWEN3_5["27B"]),
    },
    "qwen3_5_moe_text": {
        "Qwen3.5 35B-A3B, its text half": alone(34_660_610_688, QWEN3_5_MOE),
    },
    "minicpmv4_6": {
        "MiniCPM-V 4.6 1.3B": Size(Spec(
            {**SIGLIP, "image_size": 980}, Qwen3_5TextConfig,
            {**QWEN3_5["0.8B"], "tie_word_embeddings": True}, "qwen", "minicpmv",
            dict(tie_word_embeddings=True), dict(scale_resolution=448, max_slice_nums=9)),
            1_300_659_440, READ),
    },
}
