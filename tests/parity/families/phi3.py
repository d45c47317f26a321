# SPDX-License-Identifier: GPL-3.0-or-later
"""phi3: a decoder alone whose queries, keys and values are one product and whose gate and up are
one, with longrope on a part of each head, or a window on every layer."""
from transformers import Phi3Config, Phi3ForCausalLM

from families.base import LLAMA, WIDE_TEXT, Spec, read, write
from families.text import TextFamily, plans_of

TEXT = {**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": False}


def longrope(part, length, **more):
    """`part` features of a head turn, in pairs."""
    pairs = part // 2
    return dict(rope_type="longrope", rope_theta=1e4, partial_rotary_factor=part / 12,
                original_max_position_embeddings=length,
                short_factor=[round(1 + 0.1 * i, 2) for i in range(pairs)],
                long_factor=[round(1.5 + 0.4 * i, 2) for i in range(pairs)], **more)


SPECS = {
    "phi3-plain": Spec(
        None, None, {**TEXT, "sliding_window": 9,
                     "rope_parameters": dict(rope_type="default", rope_theta=5e4)},
        "llama_bos", "bos_turns", conversations=("plain", "several", "kinds")),
    # prompts stand on both sides of the length that it was trained with, and answers pass it
    "phi3-tied": Spec(
        None, None, {**TEXT, "num_key_value_heads": 4, "tie_word_embeddings": True,
                     "rms_norm_eps": 1e-4, "hidden_act": "gelu",
                     "original_max_position_embeddings": 40,
                     "rope_parameters": longrope(8, 40)},
        "qwen", "chatml", names="old", dtype="bfloat16", conversations=("plain", "several")),
    # as the first files have it: su, beside the sizes
    "phi3-old": Spec(
        None, None, {**TEXT, "num_key_value_heads": 1, "num_hidden_layers": 3,
                     "original_max_position_embeddings": 60,
                     "rope_parameters": longrope(12, 60)},
        "llama", "inst", dtype="float16", shard="60KB", old_layout=True,
        conversations=("several",)),
}


class Phi3(TextFamily):
    model_type = "phi3"
    config_class, model_class = Phi3Config, Phi3ForCausalLM
    specs = SPECS
    queries = ("qkv_proj",)
    kinds = {
        "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
        "patterns": dict(r=3, lora_alpha=6, target_modules=["qkv_proj", "gate_up_proj"],
                         rank_pattern={"layers.0.self_attn.qkv_proj": 7, "gate_up_proj": 2},
                         alpha_pattern={"gate_up_proj": 3.5}),
        "attention": dict(r=4, lora_alpha=8, target_modules=["qkv_proj", "o_proj"]),
        "embedding": dict(r=4, lora_alpha=6, target_modules=["embed_tokens", "qkv_proj"]),
        "saved_modules": dict(r=2, lora_alpha=4, target_modules=["qkv_proj"],
                              modules_to_save=["lm_head"]),
    }
    larger = Spec(None, None, WIDE_TEXT, "llama_bos", "bos_turns")
    adapters = (("phi3-plain", "linear", "new"), ("phi3-tied", "patterns", "new"))
    tied = ("phi3-tied",)
    merges = (("phi3-tied", "attention"),)
    generates = (("phi3-plain", "several"), ("phi3-tied", "plain"), ("phi3-tied", "several"),
                 ("phi3-old", "several"))
    compared = ("phi3-plain",)
    informed = ("phi3-tied",)
    plans = {name: plan for name, plan in plans_of(
        "phi3", "phi3-plain", "phi3-tied", "phi3-old").items()
        if not name.endswith(("-embedding", "-decoder"))}

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        config["rope_scaling"]["type"] = "su"
        write(path / "config.json", config)
