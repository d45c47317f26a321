# SPDX-License-Identifier: GPL-3.0-or-later
"""gpt2: a decoder that looks back only, with learned positions and LayerNorms, whose products are
Conv1D, stored [in, out]. Nothing is dropped at random here: Luthier leaves dropouts of the model's
own out."""
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from families.base import Spec
from families.text import TextFamily, plans_of

SMALL = dict(n_embd=48, n_inner=80, n_layer=2, n_head=4, max_position_embeddings=1024, resid_pdrop=0.0,
             embd_pdrop=0.0, attn_pdrop=0.0)

SPECS = {
    "gpt2-plain": Spec(None, None, SMALL, "gpt2", "vicuna",
                       conversations=("plain", "several", "korean", "words", "kinds")),
    # a feed-forward of the width of the states, so that all but one product are square; a head of
    # its own, scores that go by their layer
    "gpt2-scaled": Spec(
        None, None, {**SMALL, "n_inner": 48, "n_head": 3, "n_layer": 3,
                     "scale_attn_by_inverse_layer_idx": True, "tie_word_embeddings": False,
                     "activation_function": "gelu", "layer_norm_epsilon": 1e-3},
        "qwen", "chatml", dtype="bfloat16", conversations=("plain", "several")),
    # as the first files have it: names of the stack alone; no scale, four times the width
    "gpt2-old": Spec(
        None, None, {**SMALL, "n_inner": None, "n_head": 2, "scale_attn_weights": False,
                     "activation_function": "relu"},
        "llama", "inst", names="old", dtype="float16", shard="60KB",
        conversations=("plain", "several")),
}


class Gpt2(TextFamily):
    model_type = "gpt2"
    config_class, model_class = GPT2Config, GPT2LMHeadModel
    specs = SPECS
    parts = {"language_model": ("transformer.", "lm_head.")}
    embedding = "transformer.wte.weight"
    queries = ("c_attn",)
    kinds = {
        "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
        "patterns": dict(r=3, lora_alpha=6, target_modules=["c_attn", "c_fc"],
                         rank_pattern={"h.0.attn.c_attn": 7, "c_fc": 2},
                         alpha_pattern={"c_fc": 3.5}),
        "saved_modules": dict(r=2, lora_alpha=4, target_modules=["c_attn"],
                              modules_to_save=["lm_head"]),
        "attention": dict(r=4, lora_alpha=8, target_modules=["attn.c_attn", "attn.c_proj"]),
    }
    larger = Spec(None, None, {**SMALL, "n_embd": 192, "n_inner": 768, "n_layer": 4},
                  "gpt2", "vicuna")
    adapters = (("gpt2-plain", "linear", "new"), ("gpt2-scaled", "patterns", "new"),
                ("gpt2-old", "attention", "new"), ("gpt2-scaled", "saved_modules", "new"))
    merges = (("gpt2-plain", "linear"), ("gpt2-scaled", "patterns"), ("gpt2-old", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("gpt2-plain",)
    informed = tuple(SPECS)
    tokenized = ("gpt2-plain",)
    plans = {name: plan for name, plan in plans_of(
        "gpt2", "gpt2-plain", "gpt2-scaled", "gpt2-old").items()
        if not name.endswith("-embedding")}
    answer = 40

    def build(self, spec, name, scratch):
        model, processor = super().build(spec, name, scratch)
        generator = torch.Generator().manual_seed(sum(name.encode()))
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                if ".ln_" in key and key.endswith("weight"):
                    parameter.copy_(1 + 0.15 * noise)
                elif key.endswith(("wte.weight", "wpe.weight")):
                    parameter.copy_(0.3 * noise)
                elif "c_attn" in key and parameter.dim() == 2 and not spec.text_options.get(
                        "scale_attn_weights", True):
                    parameter.copy_(0.5 * noise / parameter.shape[0] ** 0.5)
        return model, processor

    def native_name(self, name):
        return name if name.startswith(("transformer.", "lm_head.")) else "transformer." + name

    def older_name(self, name):
        return name.removeprefix("transformer.")

    def silent(self, name):
        return False

    def felt(self, spec, name, tensor):
        """A third of the bias of the fused product is the keys'."""
        if not name.endswith(".c_attn.bias"):
            return tensor
        queries, _, values = tensor.chunk(3)
        return torch.cat([queries, values])
