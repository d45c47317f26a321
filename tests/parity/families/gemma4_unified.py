# SPDX-License-Identifier: GPL-3.0-or-later
"""gemma4_unified: no tower, patches of pictures go through norms, a product and places into Gemma
4's decoder. Unlike gemma4's, every layer lets a picture's tokens see one another, past its window
too. Its picture processor is torchvision's alone."""
import torch
from transformers import (Gemma4UnifiedAudioFeatureExtractor, Gemma4UnifiedConfig,
                          Gemma4UnifiedForConditionalGeneration, Gemma4UnifiedImageProcessor,
                          Gemma4UnifiedProcessor, Gemma4UnifiedTextConfig,
                          Gemma4UnifiedVideoProcessor, Gemma4UnifiedVisionConfig)

import tokenizers_
from families.base import (WIDE_TEXT, Family, Plan, Spec, full_plan, ids_of,
                           randomise, read, towers_plan, write)
from families.gemma4 import NAMED, finish_weights
from families.gemma4_text import FULL, SLIDING
from families.lfm2_vl import upright

PATCHES = dict(patch_size=4, pooling_kernel_size=2, mm_embed_dim=32, output_proj_dims=32,
               mm_posemb_size=80)
TEXT = dict(hidden_size=48, intermediate_size=80, num_attention_heads=4, num_key_value_heads=2,
            num_hidden_layers=3, head_dim=16, global_head_dim=32, sliding_window=6,
            final_logit_softcapping=12.0, layer_types=[SLIDING, FULL, FULL])

SPECS = {
    # as the published one: full layers take their keys for values
    "gemma4_unified-plain": Spec(
        PATCHES, None,
        {**TEXT, "attention_k_eq_v": True, "num_global_key_value_heads": 1,
         "layer_types": [FULL, SLIDING, FULL]}, "gemma", "gemma4",
        dict(tie_word_embeddings=False), dict(max_soft_tokens=70),
        conversations=("plain", "several", "words", "kinds")),
    # pictures seen in one direction; keys and values of earlier layers; three by three patches
    "gemma4_unified-tied": Spec(
        {**PATCHES, "patch_size": 3, "pooling_kernel_size": 3, "mm_embed_dim": 40,
         "output_proj_dims": 40, "mm_posemb_size": 150, "rms_norm_eps": 1e-4}, None,
        {**TEXT, "num_hidden_layers": 4, "num_key_value_heads": 1, "num_kv_shared_layers": 2,
         "use_double_wide_mlp": True, "layer_types": [SLIDING, FULL, SLIDING, FULL],
         "attention_bias": True, "sliding_window": 24, "rms_norm_eps": 1e-4,
         "use_bidirectional_attention": None, "rope_parameters": {
             FULL: dict(rope_type="proportional", rope_theta=5e5, partial_rotary_factor=0.5),
             SLIDING: dict(rope_type="default", rope_theta=2e3)}},
        "gemma", "gemma4", dict(tie_word_embeddings=True),
        dict(max_soft_tokens=140, resample=2, do_normalize=True, image_mean=[0.4, 0.5, 0.6],
             image_std=[0.3, 0.2, 0.4]), dtype="bfloat16",
        conversations=("several", "korean")),
    # one patch a token, heads of one size, names as in memory, no cap
    "gemma4_unified-old": Spec(
        {**PATCHES, "patch_size": 6, "pooling_kernel_size": 1}, None,
        {**TEXT, "num_hidden_layers": 2, "num_key_value_heads": 4, "global_head_dim": 16,
         "layer_types": [SLIDING, FULL], "sliding_window": 30, "final_logit_softcapping": None},
        "gemma", "gemma4", dict(tie_word_embeddings=False), dict(max_soft_tokens=70),
        names="native", dtype="float16", shard="60KB", old_layout=True,
        conversations=("plain", "rest")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(embed_vision\.(patch_dense|multimodal_embedder\.embedding_projection)"
        r"|language_model\.layers\.\d+\.(self_attn\.q_proj|mlp\.down_proj))")),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "o_proj"],
                          modules_to_save=["embed_vision"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "o_proj"]),
}

# from the name in the files to the one in memory
STORED = (("model.embed_vision.embedding_projection.",
           "model.embed_vision.multimodal_embedder.embedding_projection."),
          ("model.vision_embedder.", "model.embed_vision."))


class Gemma4Unified(Family):
    model_type = "gemma4_unified"
    model_class = Gemma4UnifiedForConditionalGeneration
    processor_class = Gemma4UnifiedProcessor
    parts = {"projector": "model.embed_vision.multimodal_embedder.",
             "vision_tower": "model.embed_vision.",
             "language_model": ("model.language_model.", "lm_head.")}
    inputs = ("input_ids", "attention_mask", "pixel_values", "image_position_ids",
              "mm_token_type_ids")
    specs, kinds = SPECS, KINDS
    larger = Spec({**PATCHES, "patch_size": 6, "mm_embed_dim": 192, "output_proj_dims": 192}, None,
                  WIDE_TEXT | dict(
                      head_dim=48, global_head_dim=64, layer_types=[SLIDING, FULL] * 2,
                      attention_k_eq_v=True, num_global_key_value_heads=1,
                      final_logit_softcapping=30.0, sliding_window=64), "gemma", "gemma4",
                  dict(tie_word_embeddings=True), dict(max_soft_tokens=70))
    adapters = (("gemma4_unified-plain", "linear", "new"), ("gemma4_unified-tied", "towers", "new"),
                ("gemma4_unified-old", "saved_modules", "new"))
    tied = ("gemma4_unified-tied",)
    merges = (("gemma4_unified-plain", "towers"),)
    generates = (("gemma4_unified-plain", "several"), ("gemma4_unified-tied", "several"))
    compared = ("gemma4_unified-plain",)
    informed = ("gemma4_unified-old",)
    # one micro-batch a step: transformers' Trainer means over micro-batches here, not over labels
    plans = {
        "gemma4_unified": towers_plan("gemma4_unified-plain"),
        "gemma4_unified-again": Plan(
            "gemma4_unified-plain", "attention", gradient_checkpointing="true", training=dict(
                per_device_train_batch_size=2, gradient_accumulation_steps=1, max_steps=4)),
        "gemma4_unified-full": full_plan("gemma4_unified-old"),
    }

    def native_name(self, name):
        for stored, own in STORED:
            if name.startswith(stored):
                return own + name.removeprefix(stored)
        return name

    def part_of(self, name):
        return super().part_of(self.native_name(name))

    def image_token_id(self, checkpoint):
        return checkpoint.processor.tokenizer.image_token_id

    def load_processor(self, folder):
        return Gemma4UnifiedProcessor.from_pretrained(folder)

    def build(self, spec, name, scratch):
        tokenizer = tokenizers_.gemma_tokenizer(tokens=("<|turn>", "<turn|>", "<|video|>"), **NAMED)
        token = tokenizer.convert_tokens_to_ids
        text = {"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                **ids_of(tokenizer), **spec.text_options}
        config = Gemma4UnifiedConfig(
            text_config=Gemma4UnifiedTextConfig(**{**text, **spec.model}),
            vision_config=Gemma4UnifiedVisionConfig(**spec.tower), audio_config=None,
            image_token_id=token("<|image|>"), video_token_id=token("<|video|>"),
            audio_token_id=token("<|audio|>"), boi_token_id=token("<|image>"),
            eoi_token_id=token("<image|>"), boa_token_id=token("<|audio>"),
            eoa_token_index=token("<audio|>"), **spec.model)
        model = Gemma4UnifiedForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()), embedding=0.06)
        finish_weights(model, sum(name.encode()) + 1)
        with torch.no_grad():  # drawn as biases
            for norm in (model.model.embed_vision.patch_ln1, model.model.embed_vision.patch_ln2):
                norm.weight.mul_(1.5).add_(1)
        picture = {"patch_size": spec.tower["patch_size"],
                   "pooling_kernel_size": spec.tower["pooling_kernel_size"], **spec.picture}
        return model, Gemma4UnifiedProcessor(
            Gemma4UnifiedAudioFeatureExtractor(), Gemma4UnifiedImageProcessor(**picture), tokenizer,
            Gemma4UnifiedVideoProcessor(), chat_template=tokenizers_.TEMPLATES[spec.template])

    def gradient_names(self, checkpoint):
        """All that trains: not what is stored beside weights."""
        trained = {name for name, parameter in checkpoint.model().named_parameters()}
        return [name for name in checkpoint.stored if self.native_name(name) in trained]

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        config["text_config"].pop("per_layer_config")
        config["text_config"]["global_head_dim"] = spec.text_options["global_head_dim"]
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config | {"transformers_version": "5.16.0"})

    def encode(self, checkpoint, messages, prompt):
        """Pictures turned as their files say: what reads paths for torchvision's processors does
        not ask for it."""
        messages = [{**message, "content": [
            {"type": "image", "image": upright(part["path"])} if "path" in part else part
            for part in message["content"]]} for message in messages]
        return super().encode(checkpoint, messages, prompt)

    def batch_pictures(self, examples):
        placed = {"image_position_ids": torch.cat([example["image_position_ids"]
                                                   for example in examples])} if examples else {}
        return super().batch_pictures(examples) | placed
