# SPDX-License-Identifier: GPL-3.0-or-later
"""lfm2: a decoder alone, most of whose layers are gated short convolutions and the others attention
with normed queries and keys."""
from transformers import Lfm2Config, Lfm2ForCausalLM

from families.base import CONVERSATIONS, LLAMA3_ROPE, WIDE_TEXT, Spec, read, write
from families.text import KINDS, TextFamily, plans_of

TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=2, tie_word_embeddings=False,
            rope_parameters=dict(rope_type="default", rope_theta=1e6))
MIXED = ["conv", "full_attention", "conv", "conv"]
FEW = ("plain", "several")

SPECS = {
    # two thirds of 80 up to the next 16: MLPs of 64
    "lfm2-plain": Spec(None, None, {**TEXT, "layer_types": MIXED, "block_multiple_of": 16}, "qwen",
                       "chatml", conversations=(*CONVERSATIONS, "kinds")),
    "lfm2-tied": Spec(
        None, None, {**TEXT, "num_hidden_layers": 2, "layer_types": ["full_attention", "conv"],
                     "conv_bias": True, "conv_L_cache": 4, "block_auto_adjust_ff_dim": False,
                     "tie_word_embeddings": True, "norm_eps": 1e-4, "head_dim": 20},
        "qwen", "chatml", names="old", dtype="bfloat16", conversations=FEW),
    "lfm2-shards": Spec(
        None, None, {**TEXT, "num_hidden_layers": 3, "full_attn_idxs": [1], "conv_L_cache": 2,
                     "block_multiple_of": 8, "block_ffn_dim_multiplier": 1.3,
                     "num_key_value_heads": 1, "rope_parameters": LLAMA3_ROPE},
        "llama_bos", "bos_turns", dtype="float16", shard="60KB", old_layout=True,
        conversations=FEW),
}
LFM2_KINDS = {**KINDS, "patterns": dict(
    r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "w2", "in_proj"],
    rank_pattern={"layers.0.self_attn.q_proj": 7, "v_proj": 2}, alpha_pattern={"w2": 3.5}),
    "attention": dict(r=4, lora_alpha=8,
                      target_modules=["q_proj", "k_proj", "v_proj", "out_proj"])}


def before_transformers(config):
    """A text config's fields as the first checkpoints wrote them."""
    if config["layer_types"] is not None:
        config["full_attn_idxs"] = [number for number, kind in enumerate(config["layer_types"])
                                    if kind == "full_attention"]
    del config["layer_types"]
    config["block_ff_dim"] = config["intermediate_size"]
    config["intermediate_size"] = 7
    config["tie_embedding"] = config.pop("tie_word_embeddings")


class Lfm2(TextFamily):
    model_type = "lfm2"
    config_class, model_class = Lfm2Config, Lfm2ForCausalLM
    specs, kinds = SPECS, LFM2_KINDS
    larger = Spec(None, None, {**WIDE_TEXT, "layer_types": MIXED,
                               "block_auto_adjust_ff_dim": False, "tie_word_embeddings": False},
                  "qwen", "chatml")
    adapters = (("lfm2-plain", "linear", "new"), ("lfm2-tied", "patterns", "new"),
                ("lfm2-shards", "saved_modules", "new"))
    tied = ("lfm2-tied",)
    merges = (("lfm2-plain", "linear"), ("lfm2-tied", "attention"))
    generates = (("lfm2-plain", "plain"), ("lfm2-plain", "several"), ("lfm2-tied", "several"),
                 ("lfm2-shards", "plain"))
    compared = ("lfm2-shards",)
    informed = tuple(SPECS)
    plans = plans_of("lfm2", "lfm2-plain", "lfm2-tied", "lfm2-shards")

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            config = read(path / "config.json")
            before_transformers(config)
            write(path / "config.json", config)
