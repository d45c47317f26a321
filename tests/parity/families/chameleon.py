# SPDX-License-Identifier: GPL-3.0-or-later
"""chameleon: a picture is codes of a table, which are words of the decoder; their logits are the
lowest number there is. The processor writes a turn's end behind whatever it reads."""
import random

import torch
from transformers import (ChameleonConfig, ChameleonForConditionalGeneration, ChameleonProcessor)
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil

import tokenizers_
from families.base import (LLAMA, LLAMA3_ROPE, WIDE_TEXT, Family, Plan, Spec, full_plan, ids_of,
                           make_tokenizer, old_processor_files, randomise, read, write)

CODES = dict(embed_dim=6, num_embeddings=24, latent_channels=8, resolution=16, base_channels=32,
             channel_multiplier=[1, 2], num_res_blocks=1)
TEXT = {**LLAMA, "num_key_value_heads": 2, "rope_parameters": dict(rope_type="default",
                                                                   rope_theta=1e4)}
TURN = "<reserved08706>"
SPECS = {
    "chameleon-plain": Spec(CODES, None, TEXT, "llama_bos", "chameleon"),
    # norms behind attention and MLP, biases, attention among the codes' places from the start
    "chameleon-swin": Spec(
        {**CODES, "channel_multiplier": [2, 1, 1], "num_res_blocks": 2, "attn_resolutions": [24, 6],
         "resolution": 24, "embed_dim": 12, "num_embeddings": 12}, None,
        {**TEXT, "num_key_value_heads": 4, "swin_norm": True, "attention_bias": True,
         "mlp_bias": True, "tie_word_embeddings": True, "rope_parameters": LLAMA3_ROPE,
         "rms_norm_eps": 1e-4, "hidden_act": "gelu"},
        "llama_bos", "chameleon", {}, dict(resample=3, rescale_factor=0.01),
        dtype="bfloat16", conversations=("plain", "several", "words")),
    # Two codes, between which bfloat16's rounding of the encoder decides at none of 512 places.
    "chameleon-sure": Spec({**CODES, "num_embeddings": 2}, None, TEXT, "llama_bos", "chameleon",
                           conversations=("plain",)),
    "chameleon-old": Spec(
        {**CODES, "channel_multiplier": [1, 1], "num_embeddings": 10}, None,
        {**TEXT, "num_key_value_heads": 1, "num_hidden_layers": 3}, "llama_bos", "chameleon",
        dtype="float16", old_layout=True, shard="100KB", conversations=("several",)),
}
KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "regex": dict(r=5, lora_alpha=10, target_modules=r".*layers\.\d+\.self_attn\.[qv]_proj"),
    "embedding": dict(r=4, lora_alpha=6, target_modules=["embed_tokens", "q_proj"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class Chameleon(Family):
    model_type = "chameleon"
    model_class, processor_class = ChameleonForConditionalGeneration, ChameleonProcessor
    parts = {"vision_tower": "model.vqmodel.",
             "language_model": ("model.layers.", "model.embed_tokens.", "model.norm.", "lm_head.")}
    still = ("vision_tower",)
    embedding = "model.embed_tokens.weight"
    specs, kinds = SPECS, KINDS
    larger = Spec({**CODES, "resolution": 32}, None, WIDE_TEXT, "llama_bos", "chameleon")
    adapters = (("chameleon-plain", "linear", "new"), ("chameleon-swin", "attention", "new"),
                ("chameleon-old", "regex", "new"), ("chameleon-plain", "embedding", "new"))
    tied = ("chameleon-swin",)
    merges = (("chameleon-plain", "linear"), ("chameleon-swin", "attention"))
    generates = (("chameleon-plain", "several"), ("chameleon-plain", "words"),
                 ("chameleon-swin", "plain"), ("chameleon-old", "several"))
    compared = ("chameleon-plain",)
    informed = tuple(SPECS)
    plans = {
        "chameleon": Plan("chameleon-plain", "linear", rows=10, without_picture=(3,),
                          training=dict(per_device_train_batch_size=3,
                                        gradient_accumulation_steps=1,
                                        lr_scheduler_type="linear", warmup_steps=2)),
        "chameleon-recomputed": Plan("chameleon-swin", "attention", gradient_checkpointing="true",
                                     training=dict(per_device_train_batch_size=2, max_steps=4)),
        "chameleon-full": full_plan("chameleon-swin"),
    }

    def shown(self, logits):
        """Without what no number of a model's size could be seen beside."""
        return logits.masked_fill(logits < -1e4, 0)

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, ("<racm3:break>", "<eoss>", TURN))
        tokenizer.add_special_tokens({"sep_token": TURN})
        tokenizer.chat_template = tokenizers_.TEMPLATES[spec.template]
        codes = spec.tower["num_embeddings"]
        words = list(range(len(tokenizer), len(tokenizer) + codes))
        random.Random(len(name)).shuffle(words)
        letters = str.maketrans("0123456789", "ABCDEFGHIJ")
        known = {f"IMGIMG{str(code).translate(letters)}Z": word for code, word in enumerate(words)}
        known["<image>"] = tokenizer.convert_tokens_to_ids("<image>")
        config = ChameleonConfig(vq_config=dict(spec.tower), vocabulary_map=known, **{
            "vocab_size": len(tokenizer) + codes + 3, "max_position_embeddings": 2048,
            **ids_of(tokenizer), **spec.text_options})
        model = ChameleonForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        side = spec.tower["resolution"]
        pictures = ChameleonImageProcessorPil(size={"shortest_edge": side},
                                              crop_size={"height": side, "width": side},
                                              **spec.picture)
        places = (side >> (len(spec.tower["channel_multiplier"]) - 1)) ** 2
        return model, ChameleonProcessor(pictures, tokenizer, image_seq_length=places)

    def load_processor(self, folder):
        processor = super().load_processor(folder)
        processor.chat_template = processor.tokenizer.chat_template
        return processor

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        rope = config.pop("rope_parameters")
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config | {"rope_theta": rope["rope_theta"],
                                              "rope_scaling": None,
                                              "transformers_version": "4.43.0.dev0"})
        old_processor_files(path, "ChameleonImageProcessor", "ChameleonProcessor")
        # The class takes no template of its own: it is the tokenizer's.
        template = path / "chat_template.json"
        tokenizer = read(path / "tokenizer_config.json")
        write(path / "tokenizer_config.json", tokenizer | read(template))
        template.unlink()

    def silent(self, name):
        return False

    def gradient_names(self, checkpoint):
        """No gradient passes the choice of a code."""
        return [name for name in checkpoint.stored if "vqmodel" not in name]
