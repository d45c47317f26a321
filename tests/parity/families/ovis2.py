# SPDX-License-Identifier: GPL-3.0-or-later
"""ovis2: AIMv2's tower, a head that gives each square of patches shares of a visual vocabulary, a
table of its words whose last rows stand for the tokens between a picture's parts; the whole picture
first, then the fewest tiles that cover it."""
import torch
from transformers import (LlamaConfig, Ovis2Config, Ovis2ForConditionalGeneration,
                          Ovis2ImageProcessorPil, Ovis2Processor, Qwen2Config)

import tokenizers_
from families.base import (LLAMA, LLAMA3_ROPE, WIDE_TEXT, WIDE_TOWER, Family, Plan,
                           Spec, full_plan, ids_of, make_tokenizer, old_processor_files, randomise,
                           read, towers_plan, write)

IMAGE = "<IMG_ATOM>"
INDICATORS = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=3,
             image_size=32, patch_size=8, hidden_stride=2, vocab_size=61)
QWEN = {**LLAMA, "num_key_value_heads": 2}
SPECS = {
    "ovis2-plain": Spec(TOWER, Qwen2Config, QWEN, "qwen", "chatml", dict(tie_word_embeddings=False),
                        dict(crop_to_patches=True, max_patches=6),
                        conversations=("plain", "several", "words", "kinds")),
    # one word a token, biases, every patch a token; rows that no token takes; the tiles of nearest
    # proportions
    "ovis2-one": Spec(
        {**TOWER, "tokenize_function": "st_argmax", "qkv_bias": True, "mlp_bias": True,
         "hidden_stride": 1, "num_attention_heads": 2, "rms_norm_eps": 1e-3, "hidden_act": "gelu",
         "num_visual_indicator_tokens": 9, "image_size": 28, "patch_size": 9}, LlamaConfig,
        {**LLAMA, "num_key_value_heads": 4, "attention_bias": True,
         "rope_parameters": LLAMA3_ROPE}, "qwen", "chatml", dict(tie_word_embeddings=True),
        dict(crop_to_patches=True, max_patches=4, min_patches=2, use_covering_area_grid=False,
             resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3),
        dtype="bfloat16", names="native", conversations=("several", "kinds")),
    # whole pictures alone, nine patches a token; what tells their parts apart is the text's
    "ovis2-whole": Spec(
        {**TOWER, "hidden_stride": 3, "image_size": 36, "patch_size": 6, "qkv_bias": True,
         "vocab_size": 23, "num_visual_indicator_tokens": 0}, LlamaConfig,
        {**LLAMA, "num_key_value_heads": 1}, "llama_bos", "bos_turns",
        dict(tie_word_embeddings=False, visual_indicator_token_ids=[]), conversations=("several",)),
    "ovis2-old": Spec({**TOWER, "num_hidden_layers": 2, "image_size": 24, "patch_size": 6},
                      Qwen2Config, {**QWEN, "rope_parameters": dict(rope_type="default",
                                                                    rope_theta=1e6)},
                      "qwen", "chatml", dict(tie_word_embeddings=True),
                      dict(crop_to_patches=True, max_patches=12), dtype="float16", old_layout=True,
                      shard="60KB", conversations=("several", "korean", "rest", "more")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_tower\.transformer\.encoder\.layers\.\d+\.(attention\.q_proj|ffn\.up_proj)"
        r"|vision_tower\.head_linear"
        r"|language_model\.layers\.\d+\.(self_attn\.k_proj|mlp\.down_proj))")),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"],
                          modules_to_save=["visual_embeddings_table"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}
GRADIENTS = (
    "embed_tokens.weight", "lm_head.weight", "visual_embeddings_table.weight", "head_linear.weight",
    "head_norm.weight", "head_norm.bias", "transformer.rms_norm.weight",
    "patch_embedding.weight", "patch_embedding.bias", "position_embedding.weight",
    "embeddings.rms_norm.weight", "encoder.layers.0.attention.q_proj.weight",
    "encoder.layers.0.attention.k_proj.bias", "encoder.layers.0.attention.out_proj.weight",
    "encoder.layers.0.attention.out_proj.bias", "encoder.layers.1.ffn.gate_proj.weight",
    "encoder.layers.0.ffn.down_proj.weight", "encoder.layers.1.ffn.up_proj.bias",
    "encoder.layers.0.rms_norm1.weight", "encoder.layers.1.rms_norm2.weight",
    "layers.0.self_attn.q_proj.weight", "layers.1.self_attn.k_proj.weight",
    "layers.0.self_attn.v_proj.bias", "layers.1.mlp.down_proj.weight",
    "layers.0.input_layernorm.weight", "language_model.norm.weight")


class Ovis2(Family):
    model_type = "ovis2"
    model_class, processor_class = Ovis2ForConditionalGeneration, Ovis2Processor
    parts = {**Family.parts, "projector": "model.visual_embeddings_table."}
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, **WIDE_TOWER, "vocab_size": 517}, Qwen2Config, WIDE_TEXT, "qwen",
                  "chatml", dict(tie_word_embeddings=False),
                  dict(crop_to_patches=True, max_patches=6))
    adapters = (("ovis2-plain", "linear", "new"), ("ovis2-one", "towers", "new"),
                ("ovis2-old", "regex", "new"), ("ovis2-whole", "saved_modules", "new"))
    tied = ("ovis2-one",)
    merges = (("ovis2-plain", "towers"), ("ovis2-one", "linear"))
    generates = (("ovis2-plain", "several"), ("ovis2-one", "several"), ("ovis2-one", "plain"),
                 ("ovis2-whole", "several"), ("ovis2-old", "several"))
    compared = ("ovis2-plain",)
    informed = ("ovis2-old",)
    plans = {
        "ovis2": towers_plan("ovis2-plain"),
        "ovis2-recomputed": Plan("ovis2-one", "regex", gradient_checkpointing="true",
                                 training=dict(per_device_train_batch_size=2, max_steps=4)),
        "ovis2-full": full_plan("ovis2-old"),
    }

    def gradient_names(self, checkpoint):
        return [name for name in checkpoint.stored if name.endswith(GRADIENTS)]

    def image_token_id(self, checkpoint):
        return checkpoint.processor.tokenizer.convert_tokens_to_ids(IMAGE)

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, (IMAGE, *INDICATORS))
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options})
        config = Ovis2Config(**{
            "vision_config": dict(spec.tower), "text_config": text,
            "hidden_size": text.hidden_size, "vocab_size": text.vocab_size,
            "image_token_id": tokenizer.convert_tokens_to_ids(IMAGE),
            "visual_indicator_token_ids": tokenizer.convert_tokens_to_ids(list(INDICATORS)),
            **spec.model})
        model = Ovis2ForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        with torch.no_grad():  # a head that is as sure of its words as one that has learnt
            model.model.vision_tower.head_norm.weight.mul_(2)
        side = config.vision_config.image_size
        along = side // config.vision_config.patch_size // config.vision_config.hidden_stride
        pictures = Ovis2ImageProcessorPil(size={"height": side, "width": side}, **spec.picture)
        return model, Ovis2Processor(pictures, tokenizer, image_seq_length=along * along,
                                     chat_template=tokenizers_.TEMPLATES[spec.template])

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            age_folder(path)


def age_folder(path):
    """As the hub has them: rotary settings at the decoder's top level, no word of a tied head, what
    the original tower's settings held beside ours."""
    config = read(path / "config.json")
    text = config["text_config"]
    text |= {"rope_theta": text.pop("rope_parameters")["rope_theta"], "torch_dtype": "float16",
             "use_sliding_window": False, "sliding_window": None}
    text.pop("layer_types", None)
    config["torch_dtype"] = config.pop("dtype")
    config.pop("tie_word_embeddings", None)
    config["vision_config"] |= {"model_type": "aimv2_visual_tokenizer", "depths": None, "tau": 1.0,
                                "backbone_config": {"model_type": "aimv2"}}
    write(path / "config.json", config | {"transformers_version": "4.55.0.dev0"})
    old_processor_files(path, "Ovis2ImageProcessorFast", "Ovis2Processor")
