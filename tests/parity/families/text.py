# SPDX-License-Identifier: GPL-3.0-or-later
"""What the families share that read and write text alone: a tokenizer in the place of a processor,
the names in memory on disk."""
from transformers import AutoTokenizer

import tokenizers_
from families.base import Family, Plan, full_plan, ids_of, make_tokenizer, randomise, read, write

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "patterns": dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"],
                     rank_pattern={"layers.0.self_attn.q_proj": 7, "v_proj": 2},
                     alpha_pattern={"down_proj": 3.5}),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"],
                          modules_to_save=["lm_head"]),
    "embedding": dict(r=4, lora_alpha=6, target_modules=["embed_tokens", "q_proj"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class TextProcessor:
    """A tokenizer with a processor's ways."""
    image_token_id = -1

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def apply_chat_template(self, messages, **options):
        return self.tokenizer.apply_chat_template(messages, **options)

    def save_pretrained(self, folder):
        self.tokenizer.save_pretrained(folder)


class TextFamily(Family):
    pictures = False
    parts = {"language_model": ("model.", "lm_head.")}
    embedding = "model.embed_tokens.weight"
    inputs = ("input_ids", "attention_mask")
    kinds = KINDS
    config_class = None

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch)
        tokenizer.chat_template = tokenizers_.TEMPLATES[spec.template]
        options = {"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                   **ids_of(tokenizer), **spec.text_options}
        model = self.model_class(self.config_class(**options))
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if model.config.tie_word_embeddings else 0.6)
        return model, TextProcessor(tokenizer)

    def native_name(self, name):
        return name if name.startswith(("model.", "lm_head.")) else "model." + name

    def older_name(self, name):
        """As a decoder is saved without its head; only a tied one can be."""
        return name.removeprefix("model.")

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        # rope_theta and rope_scaling beside the sizes, torch_dtype, and no configuration of
        # generation
        config = read(path / "config.json")
        rope = config.pop("rope_parameters")
        scaling = {"type": rope.pop("rope_type"),
                   **{key: value for key, value in rope.items() if key != "rope_theta"}}
        config |= {"rope_theta": rope["rope_theta"],
                   "rope_scaling": None if scaling == {"type": "default"} else scaling,
                   "torch_dtype": config.pop("dtype"), "transformers_version": "4.40.0"}
        write(path / "config.json", config)

    def load_processor(self, folder):
        return TextProcessor(AutoTokenizer.from_pretrained(folder))

    def batch_pictures(self, examples):
        return {}

    def silent(self, name):
        return False


def plans_of(model_type, plain, tied, windows):
    """Adapters, whole weights, recomputed layers, rows of uneven lengths."""
    return {
        model_type: Plan(plain, "linear", rows=10, training=dict(
            per_device_train_batch_size=3, gradient_accumulation_steps=2,
            lr_scheduler_type="linear", warmup_steps=2, shuffle=True)),
        f"{model_type}-embedding": Plan(plain, "embedding", rows=6, eval_rows=3,
                                        training=dict(max_steps=4)),
        f"{model_type}-recomputed": Plan(tied, "attention", gradient_checkpointing="true",
                                         training=dict(
            per_device_train_batch_size=2, max_steps=4)),
        f"{model_type}-full": full_plan(tied),
        f"{model_type}-decoder": Plan(windows, strategy="freeze",
                                      freeze=dict(vision_tower=True, projector=True,
                                                  language_model=False),
                                      training=dict(learning_rate=2e-4, weight_decay=0.05,
                                                    max_steps=4)),
    }
