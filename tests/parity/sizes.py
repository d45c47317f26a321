# SPDX-License-Identifier: GPL-3.0-or-later
"""Published sizes, family by family, for the pages in docs/families/ (pages.py). A size is here only
where its numbers are known: what they come to in parameters is the published checkpoint's count, and
pages.py refuses a size whose own count is another."""
from dataclasses import dataclass

from transformers import LlamaConfig

from families.base import Spec
from families.qwen2_vl import mrope


@dataclass
class Size:
    spec: Spec
    parameters: int     # of the published checkpoint, a tied head counted once


def decoder(parameters, tokenizer, template, **sizes):
    return Size(Spec(None, None, sizes, tokenizer, template), parameters)


def qwen2(parameters, hidden, width, layers, heads, groups, vocabulary=151936, tied=True):
    return decoder(parameters, "qwen", "chatml", vocab_size=vocabulary, hidden_size=hidden,
                   intermediate_size=width, num_hidden_layers=layers, num_attention_heads=heads,
                   num_key_value_heads=groups, tie_word_embeddings=tied,
                   max_position_embeddings=32768)


def qwen3(parameters, hidden, width, layers, heads, tied=True):
    return decoder(parameters, "qwen", "chatml", vocab_size=151936, hidden_size=hidden,
                   intermediate_size=width, num_hidden_layers=layers, num_attention_heads=heads,
                   num_key_value_heads=8, head_dim=128, tie_word_embeddings=tied,
                   max_position_embeddings=40960)


def llama(parameters, hidden, width, layers, heads, groups, vocabulary=128256, tied=False):
    return decoder(parameters, "llama_bos", "vicuna", vocab_size=vocabulary, hidden_size=hidden,
                   intermediate_size=width, num_hidden_layers=layers, num_attention_heads=heads,
                   num_key_value_heads=groups, tie_word_embeddings=tied,
                   max_position_embeddings=4096)


def phi3(parameters, hidden, width, layers, heads, groups, vocabulary=32064, tied=False, **more):
    return decoder(parameters, "qwen", "chatml", vocab_size=vocabulary, hidden_size=hidden,
                   intermediate_size=width, num_hidden_layers=layers, num_attention_heads=heads,
                   num_key_value_heads=groups, tie_word_embeddings=tied,
                   max_position_embeddings=4096, **more)


SIZES = {
    "llama": {
        "Llama 3.2 1B": llama(1_235_814_400, 2048, 8192, 16, 32, 8, tied=True),
        "Llama 3.2 3B": llama(3_212_749_824, 3072, 8192, 28, 24, 8, tied=True),
        "Llama 2 7B": llama(6_738_415_616, 4096, 11008, 32, 32, 32, vocabulary=32000),
        "Llama 3.1 8B": llama(8_030_261_248, 4096, 14336, 32, 32, 8),
    },
    "mistral": {
        "Mistral 7B v0.1": llama(7_241_732_096, 4096, 14336, 32, 32, 8, vocabulary=32000),
    },
    "qwen2": {
        "Qwen2.5 0.5B": qwen2(494_032_768, 896, 4864, 24, 14, 2),
        "Qwen2.5 1.5B": qwen2(1_543_714_304, 1536, 8960, 28, 12, 2),
        "Qwen2.5 3B": qwen2(3_085_938_688, 2048, 11008, 36, 16, 2),
        "Qwen2.5 7B": qwen2(7_615_616_512, 3584, 18944, 28, 28, 4, vocabulary=152064, tied=False),
    },
    "qwen3": {
        "Qwen3 0.6B": qwen3(596_049_920, 1024, 3072, 28, 16),
        "Qwen3 1.7B": qwen3(1_720_574_976, 2048, 6144, 28, 16),
        "Qwen3 4B": qwen3(4_022_468_096, 2560, 9728, 36, 32),
        "Qwen3 8B": qwen3(8_190_735_360, 4096, 12288, 36, 32, tied=False),
    },
    "smollm3": {
        "SmolLM3 3B": decoder(3_075_098_624, "qwen", "chatml", vocab_size=128256, hidden_size=2048,
                              intermediate_size=11008, num_hidden_layers=36,
                              num_attention_heads=16, num_key_value_heads=4,
                              tie_word_embeddings=True),
    },
    "glm": {
        "GLM-4 9B": decoder(9_399_951_360, "qwen", "chatml", vocab_size=151552, hidden_size=4096,
                            intermediate_size=13696, num_hidden_layers=40,
                            num_attention_heads=32, num_key_value_heads=2, head_dim=128,
                            attention_bias=True, tie_word_embeddings=False),
    },
    "phi3": {
        "Phi-3 mini 4k": phi3(3_821_079_552, 3072, 8192, 32, 32, 32, sliding_window=2047),
        "Phi-4 mini": phi3(3_836_021_760, 3072, 8192, 32, 24, 8, vocabulary=200064, tied=True,
                           rope_parameters=dict(rope_type="default", rope_theta=1e4,
                                                partial_rotary_factor=0.75)),
        "Phi-3 medium 4k": phi3(13_960_238_080, 5120, 17920, 40, 40, 10, sliding_window=2047),
    },
    # The specifications of tests/bench/real_models.py.
    "smolvlm": {
        "SmolVLM 256M": Size(Spec(
            dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                 num_attention_heads=12, image_size=512, patch_size=16), LlamaConfig,
            dict(vocab_size=49280, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
                 num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192),
            "qwen", "smolvlm", dict(scale_factor=4, tie_word_embeddings=False),
            dict(size={"longest_edge": 1024}, max_image_size={"longest_edge": 512})), 256_484_928),
    },
    "qwen2_5_vl": {
        "Qwen2.5-VL 3B": Size(Spec(
            dict(depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16, patch_size=14,
                 window_size=112, fullatt_block_indexes=[7, 15, 23, 31]), None,
            dict(vocab_size=151936, hidden_size=2048, intermediate_size=11008,
                 num_hidden_layers=36, num_attention_heads=16, num_key_value_heads=2,
                 max_position_embeddings=128000,
                 rope_parameters=mrope([16, 24, 24], rope_theta=1e6)),
            "qwen", "qwen_vl", dict(tie_word_embeddings=True),
            dict(min_pixels=56 * 56, max_pixels=256 * 28 * 28)), 3_754_622_976),
    },
    "gemma3": {
        "Gemma 3 4B": Size(Spec(
            dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27,
                 num_attention_heads=16, image_size=896, patch_size=14, vision_use_head=False),
            None,
            dict(vocab_size=262208, hidden_size=2560, intermediate_size=10240,
                 num_hidden_layers=34, num_attention_heads=8, num_key_value_heads=4, head_dim=256,
                 query_pre_attn_scalar=256, sliding_window=1024, max_position_embeddings=131072),
            "gemma", "gemma", dict(mm_tokens_per_image=256)), 4_300_079_472),
    },
}
