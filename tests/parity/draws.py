# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws checkpoints at random: for each family a valid configuration of sizes, heads, rotary
scalings, windows, feature layers, picture settings
and the ways a folder is written. random_cases.py compares them."""
import copy
import json
import random

from transformers import (CLIPVisionConfig, Cohere2Config, Gemma2Config, GemmaConfig,
                          LlamaConfig, Ministral3Config, MistralConfig, PixtralVisionConfig, Qwen2Config,
                          Qwen3Config, Qwen3_5TextConfig, SiglipVisionConfig)

import tokenizers_
from families import deepseek_ocr2
from conversations import OBJECTS, image, picture, text, turn
from families.base import Plan, Spec, read, write

SCALINGS = ("default", "default", "linear", "dynamic", "llama3", "yarn", "longrope")
STATEFUL = ("dynamic", "longrope")      # what a row gets there depends on the longest row beside it
PROJECTORS = {"llava": "multi_modal_projector", "llava_next": "multi_modal_projector",
              "llava_onevision": "multi_modal_projector", "internvl": "multi_modal_projector",
              "mistral3": "multi_modal_projector", "aya_vision": "multi_modal_projector",
              "ovis2": "visual_embeddings_table", "deepseek_ocr2": "multi_modal_projector",
              "gemma3": "multi_modal_projector", "paligemma": "multi_modal_projector",
              "smolvlm": "connector", "idefics3": "connector",
              "qwen2_vl": "merger", "qwen2_5_vl": "merger", "qwen3_vl": "merger",
              "qwen3_vl_moe": "merger", "qwen3_5": "merger", "qwen3_5_moe": "merger",
              "glm4v": "merger", "glm46v": "merger", "minicpmv4_6": "model.merger"}
WORDS = [*OBJECTS, "안녕하세요", "👩‍🚀🚀", "12345.67", "\n\n", "  two  spaces ", "é ß",
         "How many shapes are there?", "def f(x):\n    return x", "中文", "\t", "...!?"]


def rotary(rng, head_dim, theta=None):
    """rope_parameters of any kind, valid for a head of this size."""
    kind = rng.choice(SCALINGS)
    rope = dict(rope_type=kind, rope_theta=theta or rng.choice([100.0, 1e4, 5e5, 1e6]))
    if kind in ("linear", "dynamic"):
        rope |= dict(factor=rng.choice([1.0, 2.0, 3.5, 8.0]))
    elif kind == "llama3":
        rope |= dict(factor=rng.choice([2.0, 8.0]), low_freq_factor=rng.choice([1.0, 2.0]),
                     high_freq_factor=rng.choice([4.0, 5.0]),
                     original_max_position_embeddings=rng.choice([16, 64, 256]))
    elif kind == "yarn":
        rope |= dict(factor=rng.choice([1.0, 2.0, 4.0, 16.0]),
                     original_max_position_embeddings=rng.choice([16, 40, 128]))
        for key, values in dict(beta_fast=(8, 48), beta_slow=(1, 3), attention_factor=(0.8, 1.2),
                                mscale=(0.7, 1.0), mscale_all_dim=(0.5, 1.0),
                                truncate=(True, False)).items():
            if rng.random() < 0.3:
                rope[key] = rng.choice(values)
    elif kind == "longrope":
        count = head_dim // 2
        rope |= dict(factor=rng.choice([1.0, 4.0]),
                     original_max_position_embeddings=rng.choice([30, 60, 500]),
                     short_factor=[round(1 + 0.1 * i, 2) for i in range(count)],
                     long_factor=[round(1 + 0.4 * i, 2) for i in range(count)])
        if rng.random() < 0.3:
            rope["attention_factor"] = 1.1
    return rope


def decoder(rng, explicit_head=True, even=2):
    """Sizes of a decoder. `even`: what a head's size is a multiple of."""
    heads = rng.choice([1, 2, 3, 4, 6])
    head_dim = even * rng.randint(2, max(3, 16 // even))
    hidden = heads * head_dim
    options = dict(num_attention_heads=heads, num_key_value_heads=rng.choice(
        [n for n in range(1, heads + 1) if heads % n == 0]),
                   num_hidden_layers=rng.randint(1, 4), intermediate_size=rng.randint(17, 120),
                   rms_norm_eps=rng.choice([1e-6, 1e-5, 1e-3]))
    if explicit_head and rng.random() < 0.4:
        options["head_dim"] = head_dim
        hidden = heads * rng.randint(5, 14) if rng.random() < 0.8 else hidden
    return options | dict(hidden_size=hidden), options.get("head_dim", hidden // heads)


def windows(rng, options, key="sliding_window"):
    window = rng.choice([2, 3, 7, 16, 40, 4096])    # of 1, transformers' cache keeps everything
    if rng.random() < 0.5:
        return {key: window, "layer_types": [rng.choice(["sliding_attention", "full_attention"])
                                             for _ in range(options["num_hidden_layers"])]}
    return {key: window}


def any_decoder(rng, tied=True):
    """A decoder of the kinds that llava's relatives are put before."""
    kind = rng.choice([LlamaConfig, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config])
    options, head_dim = decoder(rng, explicit_head=kind is not Qwen2Config)
    if kind is Qwen3Config:
        options.setdefault("head_dim", head_dim)
    options["rope_parameters"] = rotary(rng, head_dim)
    options["hidden_act"] = rng.choice(["silu", "silu", "gelu", "gelu_pytorch_tanh", "relu"])
    if options["rope_parameters"]["rope_type"] in STATEFUL and rng.random() < 0.6:
        options["max_position_embeddings"] = rng.choice([40, 90, 150])
    if kind is LlamaConfig:
        options |= dict(attention_bias=rng.random() < 0.3, mlp_bias=rng.random() < 0.3)
    if kind is Qwen3Config:
        options["attention_bias"] = rng.random() < 0.3
    if kind is MistralConfig:
        options["sliding_window"] = rng.choice([None, 3, 12, 50, 4096])
    if kind in (Qwen2Config, Qwen3Config):
        options["use_sliding_window"] = rng.random() < 0.5
        if options["use_sliding_window"]:
            options |= windows(rng, options)
            options["max_window_layers"] = rng.randint(0, options["num_hidden_layers"])
    if tied and rng.random() < 0.3:
        options["tie_word_embeddings"] = True
    return kind, options


def tower_sizes(rng, **more):
    heads = rng.choice([1, 2, 3, 4])
    return dict(hidden_size=heads * 2 * rng.randint(2, 8), intermediate_size=rng.randint(9, 80),
                num_attention_heads=heads,
                num_hidden_layers=rng.randint(1, 4), layer_norm_eps=rng.choice([1e-6, 1e-5, 1e-3]),
                hidden_act=rng.choice(["gelu", "quick_gelu", "gelu_pytorch_tanh"]), **more)


def shades(rng):
    """What every picture processor may be told about values and the filter."""
    options = {}
    if rng.random() < 0.3:
        options["resample"] = rng.randint(0, 5)
    if rng.random() < 0.3:
        options |= dict(image_mean=[round(rng.uniform(0.2, 0.7), 3) for _ in range(3)],
                        image_std=[round(rng.uniform(0.2, 0.7), 3) for _ in range(3)])
    if rng.random() < 0.1:
        options["do_normalize"] = False
    if rng.random() < 0.1:
        options["rescale_factor"] = 1 / 127.5
    return options


def bpe(rng):
    return rng.choice([("llama_bos", "vicuna"), ("llama_bos", "bos_turns"), ("llama", "inst"),
                       ("llama", "bos_turns"), ("qwen", "chatml")])


def draw_llava(rng, next_=False):
    kind, options = any_decoder(rng)
    clip = rng.random() < 0.5
    patch = rng.randint(3, 9)
    grid = rng.randint(2, 4)
    size = patch * grid + (0 if next_ and rng.random() < 0.7 else rng.randint(0, patch - 1))
    tower = (CLIPVisionConfig(**tower_sizes(rng, image_size=size, patch_size=patch,
                                            projection_dim=8)) if clip else
             SiglipVisionConfig(**tower_sizes(rng, image_size=size, patch_size=patch),
                                **({} if rng.random() < 0.5 else {"vision_use_head": False})))
    layers = tower.num_hidden_layers
    layer = rng.choice([-1, -2, 0, layers, rng.randint(-layers - 1, layers),
                        [rng.randint(-layers - 1, layers) for _ in range(rng.randint(1, 3))]])
    strategy = ("default" if clip else "full") if next_ else rng.choice(["default", "full"])
    tied = options.pop("tie_word_embeddings", False)
    model = dict(vision_feature_layer=layer, vision_feature_select_strategy=strategy,
                 multimodal_projector_bias=rng.random() < 0.7,
                 projector_hidden_act=rng.choice(["gelu", "silu", "relu", "quick_gelu"]),
                 tie_word_embeddings=tied)
    picture = shades(rng)
    tokenizer, template = bpe(rng)
    if next_:
        count = rng.randint(1, 6)
        shapes = rng.sample([(r, c) for r in range(1, 4) for c in range(1, 5)], count)
        model["image_grid_pinpoints"] = [[size * r, size * c] for r, c in shapes]
    elif clip and rng.random() < 0.3:
        picture["size"] = {"shortest_edge": size + rng.randint(0, 9)}
    elif clip and rng.random() < 0.4:
        picture |= rng.choice([dict(do_resize=False),
                               dict(size={"height": size, "width": size}, do_center_crop=False)])
    return Spec(tower, kind, options, tokenizer, template, model, picture)


def draw_tiled(rng):
    kind, options = any_decoder(rng)
    fold = rng.choice([1, 2, 2, 3])
    patch = rng.randint(3, 8)
    tile = patch * fold * rng.randint(1 if fold > 1 else 2,
                                      3)    # of one patch, attention is constant and gradients are noise
    table = tile + patch * rng.choice([0, 0, 0, 1, 2])
    tower = tower_sizes(rng, image_size=table + rng.choice([0, 0, patch - 1]), patch_size=patch)
    picture = {**shades(rng), "size": {"longest_edge": rng.randint(max(2, tile // 2), tile * 4)},
               "max_image_size": {"longest_edge": tile},
               "do_image_splitting": rng.random() < 0.8}
    tokenizer, template = rng.choice([("qwen", "smolvlm"), ("llama_bos", "bos_turns"),
                                      ("llama", "bos_turns")])
    return Spec(tower, kind, options, tokenizer, template,
                dict(tie_word_embeddings=options.pop("tie_word_embeddings", False),
                     scale_factor=fold), picture)


def draw_qwen(rng, family):
    third = family.startswith("qwen3")
    options, head_dim = decoder(rng, explicit_head=third, even=2)
    if third:
        options.setdefault("head_dim", head_dim)
    share = 1.0
    linear = family.startswith("qwen3_5")
    if linear:      # a part of each head is turned, an even number of it
        share = rng.choice([1.0, 2 / head_dim, 2 * (head_dim // 4) / head_dim or 1.0])
    half = round(head_dim * share) // 2
    first, second = sorted(rng.sample(range(0, half + 1), 2)) if half > 1 else (1, 1)
    section = [first, second - first, half - second]
    if third:   # interleaved: each third frequency at most
        section[1], section[2] = min(section[1], half // 3), min(section[2], half // 3)
        section[0] = half - section[1] - section[2]
    options["rope_parameters"] = rotary(rng, 2 * half) | {"mrope_section": section}
    if linear:
        options["rope_parameters"]["partial_rotary_factor"] = share
        keys, layers = rng.randint(1, 3), options["num_hidden_layers"]
        kinds = [rng.choice(["linear_attention", "full_attention"]) for _ in range(layers)]
        kinds[rng.randrange(layers)] = "full_attention"     # without one transformers has no mask
        options |= dict(linear_num_key_heads=keys, layer_types=kinds,
                        linear_num_value_heads=keys * rng.randint(1, 3),
                        linear_key_head_dim=rng.randint(3, 20),
                        linear_value_head_dim=rng.randint(3, 20),
                        linear_conv_kernel_dim=rng.randint(2, 5))
    if family == "qwen3_vl_moe":
        layers, experts = options["num_hidden_layers"], rng.randint(1, 12)
        options |= dict(num_experts=experts, num_experts_per_tok=rng.randint(1, min(4, experts)),
                        moe_intermediate_size=8 * rng.randint(1, 7),
                        decoder_sparse_step=rng.choice([1, 1, 2]),
                        mlp_only_layers=rng.sample(range(layers), rng.randint(0, layers - 1)))
    if family == "qwen3_5_moe":
        experts = rng.randint(1, 12)
        options |= dict(num_experts=experts, num_experts_per_tok=rng.randint(1, min(4, experts)),
                        moe_intermediate_size=8 * rng.randint(1, 7),
                        shared_expert_intermediate_size=8 * rng.randint(1, 7))
        options.pop("intermediate_size")
    if family.endswith("_moe"):     # narrow products of transformers' experts want eights
        options["hidden_size"] = 8 * rng.randint(3, 8)
    if third:
        options["attention_bias"] = rng.random() < 0.3
    elif rng.random() < 0.4:
        options |= dict(use_sliding_window=True, sliding_window=rng.choice([2, 9, 30]),
                        max_window_layers=rng.randint(0, options["num_hidden_layers"]))
    if options["rope_parameters"]["rope_type"] in STATEFUL and rng.random() < 0.6:
        options["max_position_embeddings"] = rng.choice([40, 90, 150])
    heads, merge, patch = rng.choice([1, 2, 3]), rng.choice([1, 2, 2, 3, 4]), rng.randint(3, 6)
    width = heads * 4 * rng.randint(1, 5)
    tower = dict(depth=rng.randint(1, 4), num_heads=heads, patch_size=patch,
                 spatial_merge_size=merge, temporal_patch_size=rng.choice([1, 2, 2, 3]),
                 hidden_act=rng.choice(["silu", "gelu", "gelu_pytorch_tanh", "quick_gelu"]))
    if family == "qwen2_vl":
        tower |= dict(embed_dim=width, mlp_ratio=rng.choice([1, 2, 3, 4]))
    else:
        tower |= dict(hidden_size=width, intermediate_size=rng.randint(9, 70))
    if family == "qwen2_5_vl":
        tower |= dict(window_size=merge * patch * rng.randint(1 if merge > 1 else 2,
                                                              4) + rng.randint(0, 2),
                      fullatt_block_indexes=rng.sample(range(tower["depth"]),
                                                       rng.randint(0, tower["depth"])))
    if third:
        count = rng.randint(0, min(tower["depth"], options["num_hidden_layers"]))
        tower |= dict(num_position_embeddings=rng.choice([4, 9, 10, 16, 30, 49]),
                      deepstack_visual_indexes=rng.sample(range(tower["depth"]), count))
        if linear:
            tower.pop("deepstack_visual_indexes")
    unit = (merge * patch) ** 2
    least = rng.randint(2 * unit if merge == 1 else 1, unit * 4)
    picture = {**shades(rng), "min_pixels": least,
               "max_pixels": max(least, rng.randint(unit, unit * 16))}
    return Spec(tower, None, options, "qwen", "qwen_vl",
                dict(tie_word_embeddings=rng.random() < 0.4), picture)


def draw_minicpmv(rng):
    """Qwen3.5's decoders; all that sixteen or four patches a token can come of."""
    text, tower, patch = draw_qwen(rng, "qwen3_5"), tower_sizes(rng), rng.randint(2, 5)
    tower |= dict(patch_size=patch,
                  image_size=patch * rng.randint(1, 7) + rng.choice([0, 0, patch - 1]))
    mode, times = rng.choice([("16x", 1), ("16x", 1), ("4x", 1), ("4x", 2)])
    picture = {**shades(rng), "scale_resolution": patch * rng.randint(3, 9),
               "max_slice_nums": rng.randint(1, 6), "slice_mode": rng.random() < 0.7,
               "use_image_id": rng.random() < 0.7,
               "downsample_mode": "4x" if (mode, times) == ("4x", 1) else "16x"}
    return Spec(tower, Qwen3_5TextConfig, text.text_options, "qwen", "minicpmv",
                text.model | dict(downsample_mode=mode, merger_times=times,
                                  insert_layer_id=rng.randrange(tower["num_hidden_layers"])),
                picture)


def draw_glm(rng):
    """Heads whose turned part is even, and a tower whose grid of positions is larger or smaller
    than its pictures."""
    options, head_dim = decoder(rng, explicit_head=False)
    options.pop("tie_word_embeddings", None)
    turned = head_dim // 2 if head_dim % 4 == 0 and rng.random() < 0.7 else head_dim
    half = turned // 2
    first, second = sorted(rng.sample(range(0, half + 1), 2)) if half > 1 else (1, 1)
    options["rope_parameters"] = rotary(rng, turned) | {
        "mrope_section": [first, second - first, half - second],
        "partial_rotary_factor": turned / head_dim}
    if options["rope_parameters"]["rope_type"] in STATEFUL and rng.random() < 0.6:
        options["max_position_embeddings"] = rng.choice([40, 90, 150])
    heads, merge, patch = rng.choice([1, 2, 3]), rng.choice([1, 2, 2, 3]), rng.randint(3, 6)
    times = rng.choice([1, 2, 2, 3])
    tower = dict(depth=rng.randint(1, 4), num_heads=heads, patch_size=patch,
                 hidden_size=heads * 4 * rng.randint(1, 5), intermediate_size=rng.randint(9, 70),
                 image_size=patch * rng.randint(1, 8) + rng.randint(0, patch - 1),
                 spatial_merge_size=merge, temporal_patch_size=times,
                 attention_bias=rng.random() < 0.3, rms_norm_eps=rng.choice([1e-5, 1e-3]),
                 hidden_act=rng.choice(["silu", "gelu", "gelu_pytorch_tanh"]))
    unit = (merge * patch) ** 2 * times
    least = rng.randint(unit, unit * 4)
    picture = {**shades(rng), "min_pixels": least,
               "max_pixels": max(least, rng.randint(unit, unit * 16))}
    return Spec(tower, None, options, "qwen", "glm",
                dict(tie_word_embeddings=rng.random() < 0.4), picture)


def draw_internvl(rng):
    kind, options = any_decoder(rng)
    fold = rng.choice([1, 2, 2, 4])
    patch = rng.randint(3, 7)
    side = patch * fold * rng.randint(1 if fold > 1 else 2, 3)
    tower = tower_sizes(rng, image_size=side, patch_size=patch)
    tower |= dict(norm_type=rng.choice(["layer_norm", "rms_norm"]), use_qk_norm=rng.random() < 0.4,
                  attention_bias=rng.random() < 0.5,
                  use_mean_pooling=rng.random() < 0.6,
                  use_absolute_position_embeddings=rng.random() < 0.9)
    least = rng.randint(1, 3)
    picture = {**shades(rng), "max_patches": max(least, rng.randint(1, 9)), "min_patches": least}
    if rng.random() < 0.2:
        picture["size"] = {"height": side + patch * fold, "width": side + patch * fold}
    model = dict(tie_word_embeddings=options.pop("tie_word_embeddings", False),
                 downsample_ratio=1 / fold,
                 vision_feature_layer=rng.choice([-1, -1, -2, 0, tower["num_hidden_layers"], 1]),
                 projector_hidden_act=rng.choice(["gelu", "silu", "relu"]))
    return Spec(tower, kind, options, "qwen", "internvl", model, picture)


def draw_aya_vision(rng):
    """Most of the time with the family's own decoder."""
    kind, options = any_decoder(rng)
    if rng.random() < 0.6:
        kind, (options, head_dim) = Cohere2Config, decoder(rng, explicit_head=False)
        options |= dict(rope_parameters=rotary(rng, head_dim), **windows(rng, options),
                        attention_bias=rng.random() < 0.3, layer_norm_eps=options.pop("rms_norm_eps"),
                        tie_word_embeddings=rng.random() < 0.5)
    fold, patch = rng.choice([1, 2, 2, 3]), rng.randint(3, 7)
    side = patch * fold * rng.randint(1 if fold > 1 else 2, 3)
    tower = SiglipVisionConfig(**tower_sizes(rng, image_size=side, patch_size=patch),
                               vision_use_head=rng.random() < 0.3)
    least = rng.randint(1, 3)
    picture = {**shades(rng), "max_patches": max(least, rng.randint(1, 9)), "min_patches": least}
    model = dict(tie_word_embeddings=options.pop("tie_word_embeddings", False),
                 downsample_factor=fold, adapter_layer_norm_eps=rng.choice([1e-6, 1e-3]),
                 vision_feature_layer=rng.choice([-1, -1, -2, 0, tower.num_hidden_layers]))
    if rng.random() < 0.6 or options["hidden_size"] % 2:
        model["alignment_intermediate_size"] = 2 * rng.randint(8, 40)
    return Spec(tower, kind, options, rng.choice(["cohere", "qwen"]), "cohere", model, picture)


def draw_ovis2(rng):
    kind, options = any_decoder(rng)
    fold, patch = rng.choice([1, 2, 2, 3]), rng.randint(3, 7)
    side = patch * fold * rng.randint(1 if fold > 1 else 2, 3)
    tower = tower_sizes(rng, image_size=side + (rng.choice([0, 0, patch - 1]) if fold == 1 else 0),
                        patch_size=patch)
    indicators, words = rng.choice([5, 5, 7]), rng.randint(4, 90)
    tower |= dict(rms_norm_eps=tower.pop("layer_norm_eps"), qkv_bias=rng.random() < 0.4,
                  mlp_bias=rng.random() < 0.4, hidden_stride=fold, vocab_size=words + indicators,
                  num_visual_indicator_tokens=indicators,
                  tokenize_function=rng.choice(["softmax", "softmax", "st_argmax"]))
    least = rng.randint(1, 3)
    picture = {**shades(rng), "max_patches": max(least, rng.randint(1, 9)), "min_patches": least,
               "crop_to_patches": rng.random() < 0.8, "use_covering_area_grid": rng.random() < 0.6}
    model = dict(tie_word_embeddings=options.pop("tie_word_embeddings", False))
    return Spec(tower, kind, options, rng.choice(["qwen", "llama_bos"]), "chatml", model, picture)


def draw_deepseek_ocr2(rng):
    # Narrow products of transformers' experts want eights.
    options, head_dim = decoder(rng, explicit_head=False, even=8)
    return deepseek_ocr2.drawn(rng, options | dict(rope_parameters=rotary(rng, head_dim)))


def draw_mistral3(rng):
    """Every other time with a decoder whose queries grow, from a few tokens on."""
    kind, options = any_decoder(rng)
    if rng.random() < 0.5:
        kind, (options, head_dim) = Ministral3Config, decoder(rng)
        rope = rotary(rng, head_dim)
        while rope["rope_type"] not in ("llama3", "yarn"):
            rope = rotary(rng, head_dim)
        options |= dict(head_dim=head_dim, sliding_window=rng.choice([None, None, 3, 12, 50]),
                        rope_parameters=rope | {"llama_4_scaling_beta": rng.choice([0.1, 0.6])})
    heads, merge, patch = rng.choice([1, 2, 3]), rng.choice([1, 2, 2, 3]), rng.randint(3, 7)
    layers = rng.randint(1, 4)
    tower = PixtralVisionConfig(
        hidden_size=heads * 4 * rng.randint(1, 5), intermediate_size=rng.randint(9, 70),
        num_attention_heads=heads, num_hidden_layers=layers, patch_size=patch,
        image_size=patch * rng.randint(2, 9), hidden_act=rng.choice(["silu", "gelu"]),
        rope_parameters=dict(rope_type="axial", rope_theta=rng.choice([100.0, 1e4])))
    block = merge * patch
    edges = [rng.randint(2 * block, 9 * block) for _ in range(2)]
    picture = {**shades(rng), "size": rng.choice([{"longest_edge": edges[0]},
                                                  {"height": edges[0], "width": edges[1]}])}
    model = dict(tie_word_embeddings=options.pop("tie_word_embeddings", False),
                 spatial_merge_size=merge, multimodal_projector_bias=rng.random() < 0.4,
                 projector_hidden_act=rng.choice(["gelu", "silu", "relu"]),
                 vision_feature_layer=rng.choice([-1, -1, -2, 1, layers]))
    return Spec(tower, kind, options, rng.choice(["llama_bos", "llama", "qwen"]), "pixtral", model,
                picture)


def gemma_decoder(rng, sandwich):
    options, head_dim = decoder(rng)
    options["head_dim"] = head_dim
    options["attention_bias"] = rng.random() < 0.3
    if sandwich:
        options |= windows(rng, options) | dict(query_pre_attn_scalar=rng.choice([8, 16, 25, 256]))
    return options, head_dim


def draw_gemma3(rng):
    options, head_dim = gemma_decoder(rng, True)
    local = dict(rope_type="default", rope_theta=rng.choice([1e3, 1e4]))
    whole = rotary(rng, head_dim)
    while whole["rope_type"] == "longrope":     # transformers itself fails there, for layers of two types, when a row grows past the border
        whole = rotary(rng, head_dim)
    options["rope_parameters"] = {"full_attention": whole, "sliding_attention": local}
    options["hidden_activation"] = rng.choice(["gelu_pytorch_tanh", "gelu"])
    if "layer_types" not in options:
        options["sliding_window_pattern"] = rng.randint(1, 4)
    kept, pool = rng.choice([(1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2)])
    patch = rng.randint(3, 8)
    tower = tower_sizes(rng, image_size=kept * pool * patch + rng.choice([0, 0, patch - 1]),
                        patch_size=patch, vision_use_head=False)
    model = dict(mm_tokens_per_image=kept * kept, tie_word_embeddings=rng.random() < 0.7)
    return Spec(tower, None, options | dict(tie_word_embeddings=model["tie_word_embeddings"]),
                "gemma", "gemma", model, shades(rng))


def draw_paligemma(rng):
    second = rng.random() < 0.5
    options, head_dim = gemma_decoder(rng, second)
    spec = Spec(None, Gemma2Config if second else GemmaConfig, options, "gemma", None,
                dict(tie_word_embeddings=rng.random() < 0.7), shades(rng))
    if second:
        options |= dict(attn_logit_softcapping=rng.choice([None, 1.0, 5.0, 50.0]),
                        hidden_activation=rng.choice(["gelu_pytorch_tanh", "gelu"]))
        spec.attention = "eager" if options["attn_logit_softcapping"] else None
    else:
        options["hidden_act"] = rng.choice(["gelu_pytorch_tanh", "gelu"])
    options["rope_parameters"] = rotary(rng, head_dim)
    patch = rng.randint(4, 9)
    spec.tower = tower_sizes(rng, image_size=patch * rng.randint(2, 4) + rng.choice(
        [0, 0, patch - 1]), patch_size=patch, vision_use_head=False)
    return spec


def draw_onevision(rng):
    """llava_next's with more shapes, so that many lines are shrunk."""
    spec = draw_llava(rng, True)
    size = spec.tower.image_size
    shapes = rng.sample([(r, c) for r in range(1, 6) for c in range(1, 6)], rng.randint(1, 12))
    spec.model |= dict(image_grid_pinpoints=[[size * r, size * c] for r, c in shapes],
                       vision_aspect_ratio=f"anyres_max_{rng.choice([1, 2, 3, 5, 9, 9, 12])}")
    return spec


DRAWS = {"llava": draw_llava, "llava_next": lambda rng: draw_llava(rng, True),
         "llava_onevision": draw_onevision, "glm4v": draw_glm,
         "smolvlm": draw_tiled, "idefics3": draw_tiled,
         "internvl": draw_internvl, "minicpmv4_6": draw_minicpmv,
         "mistral3": draw_mistral3, "aya_vision": draw_aya_vision, "ovis2": draw_ovis2,
         "deepseek_ocr2": draw_deepseek_ocr2,
         "gemma3": draw_gemma3, "paligemma": draw_paligemma} | {
             name: (lambda rng, name=name: draw_qwen(rng, name))
             for name in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5",
                          "qwen3_5_moe")}


def draw_spec(rng, family):
    spec = DRAWS[family.model_type](rng)
    spec.dtype = rng.choice(["float32", "float32", "bfloat16", "float16"])
    spec.shard = rng.choice([None, None, "40KB"])
    spec.names = rng.choice(["saved", "saved", "native" if family.native_files else "saved",
                             "saved" if family.model_type == "llava" and spec.shard else "old"])
    return spec


def draw_adapter(rng, family, tied):
    """PEFT settings in the names that every decoder has."""
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    rank = rng.randint(1, 9)
    kind = dict(r=rank, lora_alpha=rng.choice([1, rank, 2 * rank]), use_rslora=rng.random() < 0.3)
    way = rng.random()
    if way < 0.3:
        kind["target_modules"] = "all-linear"
        if rng.random() < 0.5:
            kind["exclude_modules"] = rng.choice([["o_proj", "fc1"], r".*layers\.0\..*"])
    elif way < 0.6:
        kind["target_modules"] = r".*(language_model|text_model)\.layers\.\d+\.(self_attn\.[qkv]_proj|mlp\.(up|down)_proj)"
    else:
        kind["target_modules"] = rng.sample(names,
                                            rng.randint(1, 5)) + (
                                                ["embed_tokens"] if not tied
                                                and rng.random() < 0.2 else [])
        if rng.random() < 0.3:
            kind["rank_pattern"] = {kind["target_modules"][0]: rng.randint(1, 6)}
        if rng.random() < 0.3:
            kind["alpha_pattern"] = {r"layers\.0\..*" + kind["target_modules"][-1]: 5}
    if way >= 0.3 and rng.random() < 0.3:
        kind["modules_to_save"] = [PROJECTORS[family.model_type],
                                   *(["lm_head"] if not tied and rng.random() < 0.5 else [])]
    return kind


def draw_conversation(rng, family, pictures, name):
    """`pictures`: file names to take from. Turns with pictures at the start, the end, in a row, or
    alone."""
    def words(count):
        return " ".join(rng.choice(WORDS) for _ in range(count))

    turns = []
    single = family.needs_picture
    if not single and rng.random() < 0.2:
        turns.append(turn("system", text(words(2))))
    for number in range(1 if single else rng.choice([1, 1, 2])):
        many = 0 if name == "words" else rng.choice([1, 1, 2, 3] if number == 0 else [0, 1])
        parts = [image(rng.choice(pictures)) for _ in range(many)] + [
            text(words(rng.randint(1, 4))) for _ in range(rng.randint(0 if many else 1, 2))]
        rng.shuffle(parts)
        turns += [turn("user", *parts), turn("assistant", text(words(rng.randint(1, 5))))]
    return turns


def draw_pictures(rng, folder, count=5, longest=150):
    names = []
    for index in range(count):
        shape = rng.choice(["odd", "odd", "thin", "small", "one"])
        long, short = rng.randint(20, longest), rng.randint(1, 6)
        width, height = {"odd": (rng.randint(5, 130), rng.randint(5, 130)), "thin": (long, short),
                         "small": (rng.randint(1, 9), rng.randint(1, 9)),
                         "one": (1, rng.randint(1, 60))}[shape]
        if rng.random() < 0.5:
            width, height = height, width
        names.append(f"drawn-{index}-{width}x{height}.png")
        picture(width, height, rng.randint(0, 999)).save(folder / names[-1])
    return names


def defaults_left_out(path, family):
    """config.json with only what differs from the classes' own defaults, as older folders have it,
    where it still reads as the same."""
    before = read(path / "config.json")
    config = family.model_class.config_class.from_pretrained(path)
    content = copy.deepcopy(before)

    def thin(part, default):
        return {key: value for key, value in part.items()
                if key in ("model_type", "architectures", "dtype") or key not in default
                or default[key] != value}

    for key in ("text_config", "vision_config"):
        content[key] = thin(content[key], type(getattr(config, key))().to_dict())
    content = thin(content, type(config)().to_dict()) | {key: content[key]
                                                         for key in (
                                                             "text_config", "vision_config")}
    write(path / "config.json", content)
    try:
        same = {key: value for key, value in family.model_class.config_class.from_pretrained(
            path).to_dict().items()} == config.to_dict()
    except Exception:
        same = False
    if not same:
        write(path / "config.json", before)
    return same


def old_rotary(path):
    """Rotary settings where files before 2025 have them: rope_theta and rope_scaling in the text
    config."""
    content = read(path / "config.json")
    rope = content["text_config"].get("rope_parameters")
    if not rope or "full_attention" in rope or "rope_type" not in rope:
        return
    content["text_config"].pop("rope_parameters")
    theta = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    scaling = {"type": kind, **rope} if kind != "default" or rope else None
    content["text_config"] |= {"rope_theta": theta, "rope_scaling": scaling}
    write(path / "config.json", content)
