# SPDX-License-Identifier: GPL-3.0-or-later
"""persimmon: a decoder alone of LayerNorms, one product for each head's query, key and value, heads
that turn in part, and an MLP through relu's square."""
import torch
from transformers import PersimmonConfig, PersimmonForCausalLM

from families.base import CONVERSATIONS, LLAMA, WIDE_TEXT, Plan, Spec
from families.text import TextFamily, plans_of

TEXT = dict(LLAMA)
KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "patterns": dict(r=3, lora_alpha=6, target_modules=["query_key_value", "dense_4h_to_h"],
                     rank_pattern={"layers.0.self_attn.query_key_value": 7},
                     alpha_pattern={"dense_4h_to_h": 3.5}),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["query_key_value"],
                          modules_to_save=["lm_head"]),
    "embedding": dict(r=4, lora_alpha=6, target_modules=["embed_tokens", "query_key_value"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["query_key_value", "dense"]),
}
SPECS = {
    "persimmon-plain": Spec(None, None, {**TEXT, "rope_parameters": dict(
        rope_type="default", rope_theta=25000.0, partial_rotary_factor=0.5)},
        "llama_bos", "vicuna", conversations=(*CONVERSATIONS, "kinds")),
    # saved as the decoder alone, heads turned whole and without norms
    "persimmon-tied": Spec(
        None, None, {**TEXT, "qk_layernorm": False, "tie_word_embeddings": True,
                     "layer_norm_eps": 1e-3, "num_attention_heads": 3,
                     "rope_parameters": dict(rope_type="linear", rope_theta=1e4, factor=3.0,
                                             partial_rotary_factor=1.0)},
        "qwen", "chatml", names="old", dtype="bfloat16", conversations=("plain", "several")),
    "persimmon-old": Spec(
        None, None, {**TEXT, "num_hidden_layers": 3, "num_attention_heads": 2,
                     "rope_parameters": dict(rope_type="dynamic", rope_theta=5e3, factor=2.0,
                                             partial_rotary_factor=0.25)},
        "llama", "inst", dtype="float16", shard="60KB", old_layout=True,
        conversations=("plain", "several")),
}


def felt(spec, name, tensor):
    """A softmax does not feel what all keys have alike where nothing turns them: of a norm's bias,
    and of the product's where there are no norms."""
    options = spec.text_options
    size = options["hidden_size"] // options["num_attention_heads"]
    turned = int(size * options["rope_parameters"]["partial_rotary_factor"])
    if name.endswith("k_layernorm.bias"):
        return tensor[:turned]
    if name.endswith("query_key_value.bias") and not options.get("qk_layernorm", True):
        query, key, value = tensor.view(-1, 3, size).unbind(1)
        return torch.cat([query, key[:, :turned], value], 1)
    return tensor


class Persimmon(TextFamily):
    model_type = "persimmon"
    config_class, model_class = PersimmonConfig, PersimmonForCausalLM
    specs, kinds = SPECS, KINDS
    larger = Spec(None, None, {key: value for key, value in WIDE_TEXT.items()
                               if key != "num_key_value_heads"}, "llama_bos", "vicuna")
    queries = ("query_key_value",)
    adapters = (("persimmon-plain", "linear", "new"), ("persimmon-tied", "patterns", "new"),
                ("persimmon-old", "saved_modules", "new"))
    tied = ("persimmon-tied",)
    merges = (("persimmon-plain", "patterns"), ("persimmon-tied", "attention"))
    generates = (("persimmon-plain", "plain"), ("persimmon-plain", "several"),
                 ("persimmon-tied", "several"), ("persimmon-old", "plain"))
    compared = ("persimmon-plain",)
    informed = tuple(SPECS)
    tokenized = ("persimmon-plain",)
    plans = plans_of("persimmon", "persimmon-plain", "persimmon-tied", "persimmon-old")

    def felt(self, spec, name, tensor):
        return felt(spec, name, tensor)
