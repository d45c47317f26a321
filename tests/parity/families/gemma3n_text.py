# SPDX-License-Identifier: GPL-3.0-or-later
"""gemma3n_text: Gemma 3n's text half by itself. Several states of each token, of which a layer
computes one and corrects the others; gates of which few open; embeddings for each layer; keys and
values of earlier layers."""
import torch
from transformers import Gemma3nForCausalLM, Gemma3nTextConfig

from families.base import CONVERSATIONS, WIDE_TEXT, Plan, Spec, read, write
from families.text import TextFamily, plans_of

FULL, SLIDING = "full_attention", "sliding_attention"
TEXT = dict(hidden_size=48, intermediate_size=80, num_attention_heads=4, num_key_value_heads=2,
            head_dim=16, sliding_window=6, hidden_size_per_layer_input=8, laurel_rank=6,
            vocab_size_per_layer_input=640, num_kv_shared_layers=0, tie_word_embeddings=False)
SMALL = {**TEXT, "num_hidden_layers": 5, "num_key_value_heads": 1, "num_kv_shared_layers": 2,
         "layer_types": [SLIDING, FULL, SLIDING, SLIDING, FULL], "final_logit_softcapping": 12.0,
         "activation_sparsity_pattern": [0.7, 0.6, 0.0, 0.0, 0.0]}
# another state is computed, and nothing scales it before it opens the embeddings
OTHER = {**TEXT, "num_hidden_layers": 3, "layer_types": [FULL, SLIDING, FULL],
         "altup_num_inputs": 3, "altup_active_idx": 1, "altup_correct_scale": False,
         "intermediate_size": [80, 56, 64], "attention_bias": True, "rms_norm_eps": 1e-4,
         "sliding_window": 24, "rope_parameters": {
             FULL: dict(rope_type="linear", rope_theta=5e5, factor=4.0),
             SLIDING: dict(rope_type="default", rope_theta=2e3)}}
# coefficients that training holds within bounds
BOUNDED = {**TEXT, "num_hidden_layers": 6, "num_key_value_heads": 4, "altup_num_inputs": 2,
           "altup_coef_clip": 0.3, "num_kv_shared_layers": 1,
           "activation_sparsity_pattern": [0.5] * 3 + [0.0] * 3}
FEW = ("plain", "several")

SPECS = {
    "gemma3n_text-plain": Spec(None, None, SMALL, "gemma", "gemma",
                               conversations=(*CONVERSATIONS, "kinds")),
    "gemma3n_text-tied": Spec(None, None, {**OTHER, "tie_word_embeddings": True}, "gemma", "gemma",
                              names="old", dtype="float16", conversations=FEW),
    "gemma3n_text-bounded": Spec(None, None, BOUNDED, "gemma", "gemma", shard="60KB",
                                 conversations=FEW),
    "gemma3n_text-narrow": Spec(None, None, {**SMALL, "rope_parameters": {
        FULL: dict(rope_type="default", rope_theta=3e4),
        SLIDING: dict(rope_type="default", rope_theta=5e3)}}, "gemma", "gemma",
        dtype="bfloat16", old_layout=True, conversations=FEW),
}


class Gemma3nText(TextFamily):
    model_type = "gemma3n_text"
    config_class, model_class = Gemma3nTextConfig, Gemma3nForCausalLM
    specs = SPECS
    larger = Spec(None, None, WIDE_TEXT | dict(
        head_dim=48, layer_types=[SLIDING, FULL, SLIDING, FULL], num_kv_shared_layers=2,
        hidden_size_per_layer_input=32, laurel_rank=16, vocab_size_per_layer_input=640,
        sliding_window=64, activation_sparsity_pattern=[0.9, 0.9, 0.0, 0.0]), "gemma", "gemma")
    adapters = (("gemma3n_text-plain", "linear", "new"),
                ("gemma3n_text-bounded", "linear", "new"), ("gemma3n_text-tied", "patterns", "new"),
                ("gemma3n_text-narrow", "saved_modules", "new"))
    tied = ("gemma3n_text-tied",)
    merges = (("gemma3n_text-bounded", "linear"),)
    generates = tuple((name, conversation) for name in SPECS for conversation in FEW)
    compared = ("gemma3n_text-plain",)
    informed = tuple(SPECS)
    tokenized = ("gemma3n_text-plain",)
    answer = 48
    seldom = (
        "default/gemma3n_text/full", "forecast/gemma3n_text/decoder", "forecast/gemma3n_text/full",
        "forward/gemma3n_text-bounded/adapter-linear-new", "forward/gemma3n_text-narrow/several",
        "forward/gemma3n_text-narrow/adapter-saved_modules-new", "forward/gemma3n_text-plain/kinds",
        "forward/gemma3n_text-plain/more", "forward/gemma3n_text-plain/rest",
        "forward/gemma3n_text-plain/words", "forward/gemma3n_text-tied/adapter-patterns-new",
        "forward/gemma3n_text-tied/several", "generate/gemma3n_text-plain/plain",
        "generate/gemma3n_text-plain/rows", "generate/gemma3n_text-tied/plain",
        "info/gemma3n_text-bounded", "info/gemma3n_text-narrow", "info/gemma3n_text-tied",
        "merge/gemma3n_text-tied/tied", "train/gemma3n_text-decoder",
        "train/gemma3n_text-embedding")
    plans = plans_of("gemma3n_text", "gemma3n_text-bounded", "gemma3n_text-tied",
                     "gemma3n_text-plain") | {
        "gemma3n_text-bounded": Plan("gemma3n_text-bounded", "linear", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1, max_steps=4)),
    }

    def build(self, spec, name, scratch):
        model, processor = super().build(spec, name, scratch)
        finish_weights(model)
        return model, processor

    def finish(self, path, spec):
        """Older files have the bases of both kinds of positions beside the sizes."""
        old, spec.old_layout = spec.old_layout, False
        try:
            super().finish(path, spec)
        finally:
            spec.old_layout = old
        if old:
            older_positions(path)


def finish_weights(model):
    """Scores are not scaled, so that norms of queries and keys are to keep them small, and what
    routes reads states that are divided by their width."""
    with torch.no_grad():
        for key, tensor in model.named_parameters():
            if key.endswith(("q_norm.weight", "k_norm.weight")):
                tensor.mul_(tensor.shape[0] ** -0.25)
            elif key.endswith("modality_router.weight"):
                tensor.mul_(0.5 * tensor.shape[1])
            elif key.endswith(("prediction_coefs.weight", "correction_coefs.weight")):
                # As they were drawn, each layer made more of what the one before had rounded: the
                # reference's float32 was 6e-5 of the logits away from its float64.
                tensor.mul_(0.35)


def older_positions(path):
    config = read(path / "config.json")
    text = config.get("text_config", config)
    rope = text.pop("rope_parameters")
    text |= {"rope_theta": rope[FULL]["rope_theta"],
             "rope_local_base_freq": rope[SLIDING]["rope_theta"], "rope_scaling": None}
    config |= {"torch_dtype": config.pop("dtype"), "transformers_version": "4.53.0"}
    write(path / "config.json", config)
