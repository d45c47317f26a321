# SPDX-License-Identifier: GPL-3.0-or-later
"""gemma3_text: Gemma 3's text half by itself: norms of 1 + weight before and after each half of a
layer, local and global layers that turn by rotary positions of their own."""
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from families.base import CONVERSATIONS, WIDE_TEXT, Family, Spec, read, write
from families.text import TextFamily, plans_of

TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16, query_pre_attn_scalar=16,
            tie_word_embeddings=False)

SPECS = {
    "gemma3_text-plain": Spec(
        None, None, {**TEXT, "sliding_window": 6, "layer_types": [
            "sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]},
        "gemma", "gemma", conversations=(*CONVERSATIONS, "kinds")),
    "gemma3_text-tied": Spec(
        None, None, {**TEXT, "num_key_value_heads": 4, "head_dim": 12, "query_pre_attn_scalar": 20,
                     "rms_norm_eps": 1e-4, "attention_bias": True, "tie_word_embeddings": True,
                     "num_hidden_layers": 2, "sliding_window": 24,
                     "layer_types": ["full_attention", "sliding_attention"], "rope_parameters": {
                         "full_attention": dict(rope_type="linear", rope_theta=5e5, factor=8.0),
                         "sliding_attention": dict(rope_type="default", rope_theta=2e3)}},
        "gemma", "gemma", names="old", dtype="float16"),
    # the pattern as a number, rotary settings beside the sizes
    "gemma3_text-old": Spec(
        None, None, {**TEXT, "num_key_value_heads": 1, "head_dim": 64, "sliding_window": 9,
                     "sliding_window_pattern": 2, "rope_parameters": {
                         "full_attention": dict(rope_type="linear", rope_theta=1e6, factor=4.0),
                         "sliding_attention": dict(rope_type="default", rope_theta=1e4)}},
        "gemma", "gemma", dtype="bfloat16", shard="60KB", old_layout=True),
}


class Gemma3Text(TextFamily):
    model_type = "gemma3_text"
    config_class, model_class = Gemma3TextConfig, Gemma3ForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE_TEXT | dict(head_dim=48), "gemma", "gemma")
    adapters = (("gemma3_text-plain", "linear", "new"), ("gemma3_text-tied", "patterns", "new"),
                ("gemma3_text-old", "saved_modules", "new"))
    tied = ("gemma3_text-tied",)
    merges = (("gemma3_text-plain", "patterns"), ("gemma3_text-tied", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("gemma3_text-old",)
    informed = tuple(SPECS)
    tokenized = ("gemma3_text-plain",)
    plans = plans_of("gemma3_text", "gemma3_text-plain", "gemma3_text-tied", "gemma3_text-old")

    def finish(self, path, spec):
        Family.finish(self, path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        rope = config.pop("rope_parameters")
        whole, local = rope["full_attention"], rope["sliding_attention"]
        config.pop("layer_types")
        write(path / "config.json", config | {
            "rope_theta": whole["rope_theta"], "rope_local_base_freq": local["rope_theta"],
            "rope_scaling": {"rope_type": whole["rope_type"], "factor": whole["factor"]},
            "sliding_window_pattern": 2, "torch_dtype": config.pop("dtype"),
            "transformers_version": "4.50.0"})
