# SPDX-License-Identifier: GPL-3.0-or-later
"""opt: a decoder of LayerNorms whose tokens' places are looked up in a learned table. Nothing is
dropped at random here: Luthier leaves dropouts of the model's own out."""
from transformers import OPTConfig, OPTForCausalLM

from families.base import CONVERSATIONS, Spec, read, write
from families.text import KINDS, TextFamily, plans_of

TEXT = dict(hidden_size=48, ffn_dim=80, num_hidden_layers=2, num_attention_heads=4, dropout=0.0)
WIDE = dict(hidden_size=192, ffn_dim=512, num_hidden_layers=4, num_attention_heads=4, dropout=0.0)

SPECS = {
    "opt-plain": Spec(None, None, TEXT, "bart", "inst",
                      conversations=(*CONVERSATIONS, "kinds")),
    # a head of its own, no biases, another activation
    "opt-untied": Spec(
        None, None,
        {**TEXT, "num_hidden_layers": 3, "num_attention_heads": 3, "tie_word_embeddings": False,
         "enable_bias": False, "activation_function": "gelu", "max_position_embeddings": 700},
        "qwen", "chatml", dtype="bfloat16"),
    # saved as the decoder alone: the names lack "model.", and there is no head
    "opt-old": Spec(None, None, {**TEXT, "num_attention_heads": 2, "ffn_dim": 96}, "llama_bos",
                    "inst", names="old", dtype="float16", shard="60KB", old_layout=True),
}
OPT_KINDS = KINDS | {
    "patterns": dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "fc2"],
                     rank_pattern={"layers.0.self_attn.q_proj": 7, "v_proj": 2},
                     alpha_pattern={"fc2": 3.5}),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj",
                                                         "out_proj"]),
}


class Opt(TextFamily):
    model_type = "opt"
    config_class, model_class = OPTConfig, OPTForCausalLM
    embedding = "model.decoder.embed_tokens.weight"
    specs, kinds = SPECS, OPT_KINDS
    larger = Spec(None, None, WIDE, "bart", "inst")
    adapters = (("opt-plain", "linear", "new"), ("opt-old", "patterns", "new"),
                ("opt-untied", "saved_modules", "new"), ("opt-plain", "embedding", "new"))
    tied = ("opt-plain", "opt-old")
    merges = (("opt-plain", "linear"), ("opt-old", "attention"), ("opt-untied", "saved_modules"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    answer = 40
    compared = ("opt-plain",)
    informed = tuple(SPECS)
    tokenized = ("opt-plain",)
    plans = plans_of("opt", "opt-plain", "opt-old", "opt-untied")

    def silent(self, name):
        """Positions do not turn keys, so that a softmax does not feel a bias on all of them."""
        return name.endswith("k_proj.bias")

    def native_name(self, name):
        return name if name.startswith(("model.", "lm_head.")) else "model." + name

    def finish(self, path, spec):
        if spec.names != "saved":
            self.rename(path, spec.names)
        if spec.old_layout:  # what later versions added is not in the files of before
            config = read(path / "config.json")
            for key in ("enable_bias", "layer_norm_elementwise_affine", "tie_word_embeddings",
                        "_remove_final_layer_norm"):
                config.pop(key, None)
            write(path / "config.json", config | {"torch_dtype": config.pop("dtype"),
                                                  "transformers_version": "4.21.0"})
