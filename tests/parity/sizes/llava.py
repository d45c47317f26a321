# SPDX-License-Identifier: GPL-3.0-or-later
"""LLaVA and what follows it."""
from transformers import (CLIPVisionConfig, LlamaConfig, MistralConfig, Qwen2Config,
                          SiglipVisionConfig)

from families.base import Spec
from sizes.size import CLIP_LARGE, COUNT, READ, SIGLIP, Size, llama_like

VICUNA_7B = llama_like(4096, 11008, 32, 32, 32, 32064, max_position_embeddings=4096)
VICUNA_13B = llama_like(5120, 13824, 40, 40, 40, 32064, max_position_embeddings=4096)
MISTRAL_7B = llama_like(4096, 14336, 32, 32, 8, 32064, max_position_embeddings=32768,
                        sliding_window=None)


def clip(parameters, source, text_class, text, picture=(640, 480)):
    return Size(Spec(CLIPVisionConfig(**CLIP_LARGE), text_class, text, "llama_bos", "vicuna"),
                parameters, source, picture)


def next_clip(parameters, source, text_class, text):
    """A picture of 640 x 480 becomes 2,340 tokens, more than the row has room for."""
    return clip(parameters, source, text_class, text, (336, 336))


SIZES = {
    "llava": {
        "LLaVA 1.5 7B": clip(7_063_427_072, COUNT, LlamaConfig, VICUNA_7B),
        "LLaVA 1.5 13B": clip(13_351_494_656, READ, LlamaConfig, VICUNA_13B),
    },
    "llava_next": {
        "LLaVA-NeXT Vicuna 7B": next_clip(7_063_431_168, COUNT, LlamaConfig, VICUNA_7B),
        "LLaVA-NeXT Mistral 7B": next_clip(7_566_747_648, COUNT, MistralConfig, MISTRAL_7B),
    },
    "llava_onevision": {
        "LLaVA-OneVision 7B": Size(Spec(
            SiglipVisionConfig(**{**SIGLIP, "num_hidden_layers": 26, "image_size": 384,
                                  "vision_use_head": False}),
            Qwen2Config, llama_like(3584, 18944, 28, 28, 4, 152064, max_position_embeddings=32768),
            "qwen", "chatml", dict(tie_word_embeddings=False)), 8_030_348_832, COUNT, (384, 384)),
    },
}
