# SPDX-License-Identifier: GPL-3.0-or-later
"""gemma4: a tower for pictures of any size, with products that stay within bounds or features that
are shifted and scaled, squares of patches pooled into one token; Gemma 4's decoder, where it is a
large one with pictures whose tokens see one another in sliding layers."""
import torch
from transformers import (Gemma4AudioFeatureExtractor, Gemma4Config,
                          Gemma4ForConditionalGeneration, Gemma4ImageProcessorPil, Gemma4Processor,
                          Gemma4TextConfig, Gemma4VideoProcessor, Gemma4VisionConfig)

import tokenizers_
from families.base import (CONVERSATIONS, WIDE_TEXT, Family, Plan, Spec, full_plan, ids_of,
                           randomise, read, towers_plan, write)
from families.gemma4_text import EXPERTS, LARGE, SMALL, finish_weights

TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=2, num_key_value_heads=2,
             head_dim=16, num_hidden_layers=2, patch_size=4, pooling_kernel_size=2,
             position_embedding_size=160)
NAMED = dict(image_token="<|image|>", boi_token="<|image>", eoi_token="<image|>",
             audio_token="<|audio|>", boa_token="<|audio>", eoa_token="<audio|>")
FEW = ("plain", "several")

SPECS = {
    # as the small ones: bounds, embeddings for each layer
    "gemma4-plain": Spec({**TOWER, "use_clipped_linears": True}, None, SMALL, "gemma", "gemma4",
                         dict(tie_word_embeddings=True), dict(max_soft_tokens=70),
                         conversations=(*CONVERSATIONS, "kinds")),
    # as the large ones: features shifted and scaled, pictures seen both ways
    "gemma4-large": Spec(
        {**TOWER, "pooling_kernel_size": 3, "patch_size": 2, "standardize": True, "head_dim": 8,
         "num_attention_heads": 4, "num_key_value_heads": 4, "rms_norm_eps": 1e-4,
         "position_embedding_size": 210,
         "rope_parameters": dict(rope_type="axial", rope_theta=30.0)}, None,
        {**LARGE, "sliding_window": 24, "rms_norm_eps": 1e-4}, "gemma", "gemma4",
        dict(tie_word_embeddings=False), dict(max_soft_tokens=70, resample=2), dtype="bfloat16",
        conversations=FEW),
    # a key for two queries; experts
    "gemma4-experts": Spec(
        {**TOWER, "patch_size": 3, "num_attention_heads": 4,
         "hidden_activation": "gelu", "standardize": True}, None,
        {**EXPERTS, "use_bidirectional_attention": "vision"}, "gemma", "gemma4",
        dict(tie_word_embeddings=False), dict(max_soft_tokens=70), shard="60KB", old_layout=True,
        conversations=FEW),
}

TOWERS = (r".*(vision_tower\.encoder\.layers\.\d+\.(self_attn\.[qo]_proj|mlp\.(up|down)_proj)\.linear"
          r"|patch_embedder\.input_proj|embed_vision\.embedding_projection"
          r"|language_model\.layers\.\d+\.(self_attn\.q_proj|mlp\.down_proj))")
QUERIES = r".*language_model\.layers\.\d+\.self_attn\.[qo]_proj"
KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=TOWERS),
    "regex": dict(r=5, lora_alpha=10, target_modules=QUERIES),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=QUERIES,
                          modules_to_save=["embed_vision"]),
}


class Gemma4(Family):
    model_type = "gemma4"
    model_class, processor_class = Gemma4ForConditionalGeneration, Gemma4Processor
    parts = {"vision_tower": "model.vision_tower.", "projector": "model.embed_vision.",
             "language_model": ("model.language_model.", "lm_head.")}
    inputs = ("input_ids", "attention_mask", "pixel_values", "image_position_ids",
              "mm_token_type_ids")
    specs, kinds = SPECS, KINDS
    # PEFT takes no wrapper of the tower's, whose names end in q_proj too
    queries = tuple(f"language_model.layers.{layer}.self_attn.q_proj"
                    for layer in range(SMALL["num_hidden_layers"]))
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_attention_heads": 4,
                   "num_key_value_heads": 4, "head_dim": 24, "num_hidden_layers": 3,
                   "use_clipped_linears": True}, None,
                  WIDE_TEXT | dict(head_dim=48, global_head_dim=64, layer_types=[
                      "sliding_attention", "full_attention"] * 2, num_kv_shared_layers=2,
                      use_double_wide_mlp=True, hidden_size_per_layer_input=32,
                      final_logit_softcapping=30.0, sliding_window=64), "gemma", "gemma4",
                  dict(tie_word_embeddings=True), dict(max_soft_tokens=70))
    adapters = (("gemma4-plain", "linear", "new"), ("gemma4-large", "towers", "new"),
                ("gemma4-plain", "saved_modules", "new"))
    tied = ("gemma4-plain",)
    merges = (("gemma4-plain", "towers"), ("gemma4-large", "linear"))
    generates = tuple((name, conversation) for name in SPECS for conversation in FEW) + (
        ("gemma4-plain", "words"),)
    compared = ("gemma4-plain",)
    informed = tuple(SPECS)
    tokenized = ("gemma4-plain",)
    # one micro-batch a step: transformers' Trainer means over micro-batches here, not over labels
    plans = {
        "gemma4": towers_plan("gemma4-plain"),
        "gemma4-again": Plan("gemma4-large", "regex", gradient_checkpointing="true", training=dict(
            per_device_train_batch_size=2, gradient_accumulation_steps=1, max_steps=4)),
        "gemma4-full": full_plan("gemma4-experts"),
    }

    def image_token_id(self, checkpoint):
        return checkpoint.processor.tokenizer.image_token_id

    def load_processor(self, folder):
        # the choice of a backend would go to the video processor too, which has but one
        processor = Gemma4Processor.from_pretrained(folder)
        processor.image_processor = Gemma4ImageProcessorPil.from_pretrained(folder)
        return processor

    def build(self, spec, name, scratch):
        tokenizer = tokenizers_.gemma_tokenizer(tokens=("<|turn>", "<turn|>", "<|video|>"), **NAMED)
        token = tokenizer.convert_tokens_to_ids
        text = {"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                **ids_of(tokenizer), **spec.text_options}
        text["vocab_size_per_layer_input"] = text["vocab_size"]
        config = Gemma4Config(
            text_config=Gemma4TextConfig(**{**text, **spec.model}),
            vision_config=Gemma4VisionConfig(**spec.tower), audio_config=None,
            image_token_id=token("<|image|>"), video_token_id=token("<|video|>"),
            audio_token_id=token("<|audio|>"), boi_token_id=token("<|image>"),
            eoi_token_id=token("<image|>"), boa_token_id=token("<|audio>"),
            eoa_token_index=token("<audio|>"), **spec.model)
        model = Gemma4ForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()), embedding=0.06)
        finish_weights(model, sum(name.encode()) + 1)
        picture = {"patch_size": spec.tower["patch_size"],
                   "pooling_kernel_size": spec.tower["pooling_kernel_size"], **spec.picture}
        return model, Gemma4Processor(
            Gemma4AudioFeatureExtractor(), Gemma4ImageProcessorPil(**picture), tokenizer,
            Gemma4VideoProcessor(), chat_template=tokenizers_.TEMPLATES[spec.template])

    def gradient_names(self, checkpoint):
        """All that trains: not what is stored beside weights."""
        trained = {name for name, parameter in checkpoint.model().named_parameters()}
        return [name for name in checkpoint.stored if name in trained]

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        own = list(config["text_config"].pop("per_layer_config").values())
        config["text_config"] |= {
            "global_head_dim": own[0]["head_dim"],
            "num_global_key_value_heads": own[0].get("num_key_value_heads")}
        config["vision_config"].pop("rope_parameters", None)
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config | {"transformers_version": "5.5.0"})

    def batch_pictures(self, examples):
        placed = {"image_position_ids": torch.cat([example["image_position_ids"]
                                                   for example in examples])} if examples else {}
        return super().batch_pictures(examples) | placed
