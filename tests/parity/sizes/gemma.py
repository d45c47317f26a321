# SPDX-License-Identifier: GPL-3.0-or-later
"""Gemma 3 and 4, their text halves, and PaliGemma. Gemma 3's and 4's sizes are those of
transformers' conversion scripts; what hears sound is left out, as the program leaves it unread."""
from transformers import GemmaConfig

from families.base import Spec
from sizes.size import COUNT, READ, ROUNDED, SIGLIP, Size, decoder, llama_like

SLIDING, FULL = "sliding_attention", "full_attention"
TOWER = {**SIGLIP, "vision_use_head": False}
GEMMA3_ROPE = {FULL: dict(rope_type="linear", rope_theta=1e6, factor=8.0),
               SLIDING: dict(rope_type="default", rope_theta=1e4)}


def gemma3(parameters, hidden, width, layers, heads, groups, size=256):
    text = llama_like(hidden, width, layers, heads, groups, 262208, head_dim=size,
                      query_pre_attn_scalar=hidden // heads if size == 128 else 256,
                      sliding_window=1024, max_position_embeddings=131072,
                      rope_parameters=GEMMA3_ROPE)
    return Size(Spec({**TOWER, "image_size": 896}, None, text, "gemma", "gemma",
                     dict(mm_tokens_per_image=256)), parameters, COUNT)


def gemma3_text(parameters, hidden, width, layers):
    return decoder(parameters, COUNT, "gemma", "gemma", head_dim=256, query_pre_attn_scalar=256,
                   sliding_window=512, max_position_embeddings=32768,
                   **llama_like(hidden, width, layers, 4, 1, 262144))


SMALL_TOWER = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=16,
                   num_attention_heads=12, num_key_value_heads=12, head_dim=64, patch_size=16,
                   pooling_kernel_size=3, use_clipped_linears=True)
LARGE_TOWER = dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27,
                   num_attention_heads=16, num_key_value_heads=16, head_dim=72, patch_size=16,
                   pooling_kernel_size=3, standardize=True)


def gemma4_text(hidden, width, layers, heads, groups, period=6, **more):
    kinds = ([SLIDING] * (period - 1) + [FULL]) * (layers // period)
    return llama_like(hidden, width, layers, heads, groups, 262144, head_dim=256,
                      global_head_dim=512, layer_types=kinds, final_logit_softcapping=30.0, **more)


DEVICE = dict(hidden_size_per_layer_input=256, vocab_size_per_layer_input=262144,
              max_position_embeddings=131072)
LARGE = dict(hidden_size_per_layer_input=0, attention_k_eq_v=True, sliding_window=1024,
             use_bidirectional_attention="vision", max_position_embeddings=262144)
GEMMA4 = {
    "E2B": gemma4_text(1536, 6144, 35, 8, 1, period=5, num_kv_shared_layers=20,
                       use_double_wide_mlp=True, **DEVICE),
    "E4B": gemma4_text(2560, 10240, 42, 8, 2, num_kv_shared_layers=18, **DEVICE),
    "26B-A4B": gemma4_text(2816, 2112, 30, 16, 8, num_global_key_value_heads=2,
                           enable_moe_block=True, num_experts=128, top_k_experts=8,
                           moe_intermediate_size=704, **LARGE),
    "31B": gemma4_text(5376, 21504, 60, 32, 16, num_global_key_value_heads=4, **LARGE),
}


def gemma4(parameters, name, tower):
    return Size(Spec(tower, None, GEMMA4[name], "gemma", "gemma4", dict(tie_word_embeddings=True)),
                parameters, READ)


def gemma4_alone(parameters, name):
    return decoder(parameters, READ, "gemma", "gemma", tie_word_embeddings=True, **GEMMA4[name])


# Hidden size, layers, window and what takes the patches were read; heads and the width of the MLPs
# are Gemma 3 12B's, and come to within a thousandth of the published 11.95 thousand million.
UNIFIED = {key: value for key, value in gemma4_text(
    3840, 15360, 48, 16, 8, num_global_key_value_heads=1, **LARGE).items()
    if key != "hidden_size_per_layer_input"}


# The two are one in another: of 35 layers 30, whose MLPs are half as wide, and 5 fewer of those
# that see the keys of others. Published files hold keys and values of all layers; those that nothing
# reads (2,097,408 numbers a layer) and what takes sound come to the published counts, 5,439,438,272
# and 7,849,978,192, to the last.
def gemma3n_text(layers, width, sharers):
    return dict(num_hidden_layers=layers, intermediate_size=width, num_kv_shared_layers=sharers,
                vocab_size=262400)


GEMMA3N = {"E2B": gemma3n_text(30, 8192, 10), "E4B": gemma3n_text(35, 16384, 15)}


def gemma3n(parameters, name):
    return Size(Spec(dict(), None, GEMMA3N[name], "gemma", "gemma3n",
                     dict(tie_word_embeddings=True), dict(size=dict(height=768, width=768))),
                parameters, COUNT)


def gemma3n_alone(parameters, name):
    return decoder(parameters, COUNT, "gemma", "gemma", tie_word_embeddings=True, **GEMMA3N[name])


def paligemma(parameters, side):
    text = llama_like(2048, 16384, 18, 8, 1, 257216, head_dim=256, max_position_embeddings=8192,
                      hidden_act="gelu_pytorch_tanh")
    return Size(Spec({**TOWER, "image_size": side}, GemmaConfig, text, "gemma", None), parameters,
                READ)


SIZES = {
    "gemma3": {
        "Gemma 3 4B": gemma3(4_300_079_472, 2560, 10240, 34, 8, 4),
        "Gemma 3 12B": gemma3(12_187_325_040, 3840, 15360, 48, 16, 8),
        "Gemma 3 27B": gemma3(27_432_406_640, 5376, 21504, 62, 32, 16, size=128),
    },
    "gemma3_text": {
        "Gemma 3 270M": gemma3_text(268_098_176, 640, 2048, 18),
        "Gemma 3 1B": gemma3_text(999_885_952, 1152, 6912, 26),
    },
    "gemma3n": {
        "Gemma 3n E2B": gemma3n(4_737_115_552, "E2B"),
        "Gemma 3n E4B": gemma3n(7_137_168_432, "E4B"),
    },
    "gemma3n_text": {
        "Gemma 3n E2B, its text half": gemma3n_alone(4_435_182_688, "E2B"),
        "Gemma 3n E4B, its text half": gemma3n_alone(6_835_235_568, "E4B"),
    },
    "gemma4": {
        "Gemma 4 E2B": gemma4(4_797_113_600, "E2B", SMALL_TOWER),
        "Gemma 4 E4B": gemma4(7_632_344_064, "E4B", SMALL_TOWER),
        "Gemma 4 26B-A4B": gemma4(25_805_933_872, "26B-A4B", LARGE_TOWER),
        "Gemma 4 31B": gemma4(31_273_086_512, "31B", LARGE_TOWER),
    },
    "gemma4_text": {
        "Gemma 4 E2B, its text half": gemma4_alone(4_628_569_344, "E2B"),
        "Gemma 4 E4B, its text half": gemma4_alone(7_463_013_376, "E4B"),
        "Gemma 4 26B-A4B, its text half": gemma4_alone(25_233_141_760, "26B-A4B"),
        "Gemma 4 31B, its text half": gemma4_alone(30_697_345_280, "31B"),
    },
    "gemma4_unified": {
        "Gemma 4 12B": Size(Spec(
            dict(patch_size=16, pooling_kernel_size=3, mm_embed_dim=3840, output_proj_dims=3840,
                 mm_posemb_size=1120),
            None, UNIFIED, "gemma", "gemma4", dict(tie_word_embeddings=True)),
            11_957_272_576, ROUNDED),
    },
    "gemma4_unified_text": {
        "Gemma 4 12B, its text half": decoder(11_907_350_272, ROUNDED, "gemma", "gemma",
                                              tie_word_embeddings=True, **UNIFIED),
    },
    "paligemma": {
        "PaliGemma 3B 224": paligemma(2_923_466_480, 224),
        "PaliGemma 3B 448": paligemma(2_924_351_216, 448),
    },
}
