# SPDX-License-Identifier: GPL-3.0-or-later
"""Families that cut a picture into tiles."""
from transformers import Cohere2Config, LlamaConfig, Qwen2Config, SiglipVisionConfig

from families.base import Spec
from sizes.size import COUNT, ROUNDED, READ, SIGLIP, SIGLIP_BASE, Size, llama_like
from sizes.text import COMMAND_R7B


def smolvlm(parameters, tower, text, scale, longest):
    side = tower["image_size"]
    return Size(Spec(tower, LlamaConfig, {**text, "max_position_embeddings": 8192}, "qwen",
                     "smolvlm", dict(scale_factor=scale, tie_word_embeddings=False),
                     dict(size={"longest_edge": longest}, max_image_size={"longest_edge": side})),
                parameters, COUNT)


def internvl(parameters, *sizes):
    """A picture of 640 x 480 becomes twelve tiles and the whole, 3,328 tokens."""
    tower = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
                 num_attention_heads=16, image_size=448, patch_size=14, attention_bias=True)
    text = llama_like(*sizes, 151674, max_position_embeddings=32768)
    return Size(Spec(tower, Qwen2Config, text, "qwen", "internvl",
                     dict(tie_word_embeddings=False)), parameters, COUNT, (448, 448))


def ovis2(parameters, tower, *sizes):
    return Size(Spec({**tower, "num_hidden_layers": 24, "image_size": 448, "patch_size": 14,
                      "vocab_size": 65536, "hidden_stride": 2}, Qwen2Config,
                     llama_like(*sizes, 151936, max_position_embeddings=32768,
                                tie_word_embeddings=True), "qwen", "chatml",
                     dict(tie_word_embeddings=True), dict(crop_to_patches=True)), parameters,
                ROUNDED, (448, 448))


AIMV2_LARGE = dict(hidden_size=1024, intermediate_size=2816, num_attention_heads=8)
SMALL_TOWER = {**SIGLIP_BASE, "image_size": 512}
SIZES = {
    "smolvlm": {
        "SmolVLM 256M": smolvlm(256_484_928, SMALL_TOWER, llama_like(576, 1536, 30, 9, 3, 49280),
                                4, 2048),
        "SmolVLM 500M": smolvlm(507_482_304, SMALL_TOWER, llama_like(960, 2560, 32, 15, 5, 49280),
                                4, 2048),
        "SmolVLM2 2.2B": smolvlm(2_246_784_880, {**SIGLIP, "image_size": 384},
                                 llama_like(2048, 8192, 24, 32, 32, 49280), 3, 1536),
    },
    "idefics3": {
        "Idefics3 8B": Size(Spec(
            {**SIGLIP, "image_size": 364}, LlamaConfig,
            llama_like(4096, 14336, 32, 32, 8, 128259, max_position_embeddings=131072),
            "llama_bos", "bos_turns", dict(scale_factor=2, tie_word_embeddings=False),
            dict(size={"longest_edge": 728}, max_image_size={"longest_edge": 364})),
            8_462_086_384, ROUNDED,
            note="Pictures are resized to a longest edge of 728, and not to the published 1,456, "
            "with which one alone is 2,197 tokens."),
    },
    "internvl": {
        "InternVL3 1B": internvl(938_193_024, 896, 4864, 24, 14, 2),
        "InternVL3 2B": internvl(2_088_957_440, 1536, 8960, 28, 12, 2),
        "InternVL3 8B": internvl(7_944_373_760, 3584, 18944, 28, 28, 4),
    },
    "aya_vision": {
        "Aya Vision 8B": Size(Spec(
            SiglipVisionConfig(**SIGLIP, image_size=364, vision_use_head=False), Cohere2Config,
            COMMAND_R7B, "cohere", "cohere",
            dict(tie_word_embeddings=True, alignment_intermediate_size=28672)), 8_631_842_032,
            READ, (364, 364)),
    },
    "ovis2": {
        "Ovis2 1B": ovis2(1_131_283_318, AIMV2_LARGE, 896, 4864, 24, 14, 2),
        "Ovis2 2B": ovis2(2_222_907_894, AIMV2_LARGE, 1536, 8960, 28, 12, 2),
    },
}
