# SPDX-License-Identifier: GPL-3.0-or-later
"""aya_vision: a SigLIP tower over tiles and the whole picture, squares of patches folded into one
token, a norm and a SwiGLU, a Cohere 2 decoder whose logits are not scaled here."""
from transformers import (AyaVisionConfig, AyaVisionForConditionalGeneration, AyaVisionProcessor,
                          Cohere2Config, GotOcr2ImageProcessorPil, LlamaConfig)

import tokenizers_
from families.base import (CONVERSATIONS, LLAMA, LLAMA3_ROPE, WIDE_TEXT, WIDE_TOWER, FirstLayout,
                           Plan, Spec, full_plan, ids_of, make_tokenizer, old_processor_files,
                           randomise, read, towers_plan, write)
from families.llava import GRADIENT_ENDS, clip, siglip

# Further tiles' numbers are spelt.
TOKENS = ("<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "TILE_GLOBAL", "TILE_1", "TILE_2",
          "TILE_3")
COHERE = {**LLAMA, "num_key_value_heads": 2, "num_hidden_layers": 3, "sliding_window": 20,
          "rope_parameters": dict(rope_type="default", rope_theta=5e4)}
SPECS = {
    "aya_vision-plain": Spec(
        siglip(vision_use_head=False), Cohere2Config,
        {**COHERE, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
        "cohere", "cohere", dict(tie_word_embeddings=False), dict(max_patches=6),
        conversations=(*CONVERSATIONS, "kinds")),
    # nine patches a token, an inner layer, a projector of a width of its own
    "aya_vision-fold": Spec(
        siglip(image_size=36, patch_size=6, num_attention_heads=2), Cohere2Config,
        {**COHERE, "num_key_value_heads": 4, "attention_bias": True, "logit_scale": 0.5,
         "layer_types": ["full_attention"] * 3},
        "qwen", "chatml", dict(tie_word_embeddings=True, downsample_factor=3,
                               vision_feature_layer=-2, alignment_intermediate_size=72,
                               adapter_layer_norm_eps=1e-3),
        dict(max_patches=4, min_patches=2, crop_to_patches=False, resample=2,
             image_mean=[0.5] * 3, image_std=[0.5] * 3),
        dtype="bfloat16", names="native", conversations=("plain", "several")),
    # a class token, which is left out, and another decoder
    "aya_vision-clip": Spec(
        clip(image_size=28, patch_size=7), LlamaConfig,
        {**LLAMA, "num_key_value_heads": 1, "rope_parameters": LLAMA3_ROPE}, "llama_bos",
        "bos_turns", dict(tie_word_embeddings=False, vision_feature_layer=[-1],
                          vision_feature_select_strategy="default"),
        dict(max_patches=1), conversations=("plain", "several")),
    "aya_vision-old": Spec(
        siglip(image_size=24, patch_size=6, num_hidden_layers=2, vision_use_head=False),
        Cohere2Config, {**COHERE, "sliding_window": 30}, "cohere", "cohere",
        dict(tie_word_embeddings=True), dict(max_patches=12), dtype="float16", names="old",
        old_layout=True, shard="60KB", conversations=("plain", "several")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_tower\.encoder\.layers\.\d+\.(self_attn\.q_proj|mlp\.fc1)"
        r"|multi_modal_projector\.linear_[12]"
        r"|language_model\.layers\.\d+\.(self_attn\.k_proj|mlp\.down_proj))")),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"],
                          modules_to_save=["multi_modal_projector"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class AyaVision(FirstLayout):
    model_type = "aya_vision"
    model_class, processor_class = AyaVisionForConditionalGeneration, AyaVisionProcessor
    specs, kinds = SPECS, KINDS
    larger = Spec(siglip(**WIDE_TOWER, image_size=28, patch_size=7, vision_use_head=False),
                  Cohere2Config, WIDE_TEXT, "cohere", "cohere", dict(tie_word_embeddings=False),
                  dict(max_patches=6))
    adapters = (("aya_vision-plain", "linear", "new"), ("aya_vision-fold", "towers", "new"),
                ("aya_vision-old", "regex", "old"), ("aya_vision-clip", "saved_modules", "new"))
    tied = ("aya_vision-fold", "aya_vision-old")
    merges = (("aya_vision-plain", "towers"), ("aya_vision-fold", "linear"))
    generates = (("aya_vision-plain", "plain"), ("aya_vision-plain", "several"),
                 ("aya_vision-fold", "several"), ("aya_vision-old", "several"))
    compared = ("aya_vision-plain",)
    informed = ("aya_vision-plain", "aya_vision-old")
    plans = {
        "aya_vision": towers_plan("aya_vision-plain"),
        "aya_vision-recomputed": Plan("aya_vision-fold", "attention", gradient_checkpointing="true",
                                      training=dict(per_device_train_batch_size=2, max_steps=4)),
        "aya_vision-full": full_plan("aya_vision-old"),
    }

    def gradient_names(self, checkpoint):
        ends = (*GRADIENT_ENDS, "multi_modal_projector.layernorm.weight",
                "multi_modal_projector.layernorm.bias", "multi_modal_projector.linear_1.bias",
                "multi_modal_projector.linear_2.weight", "layers.1.self_attn.o_proj.weight",
                "layers.1.mlp.gate_proj.weight")
        return [name for name in checkpoint.stored if name.endswith(ends)]

    def silent(self, name):
        """And in aya_vision-fold's decoder, which knows no positions."""
        return super().silent(name) or (name.endswith("k_proj.bias") and "language_model" in name)

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, TOKENS)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options})
        config = AyaVisionConfig(
            vision_config=spec.tower, text_config=text,
            image_token_index=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"), **spec.model)
        model = AyaVisionForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        side = spec.tower.image_size
        pictures = GotOcr2ImageProcessorPil(size={"height": side, "width": side}, **spec.picture)
        return model, AyaVisionProcessor(
            pictures, tokenizer, patch_size=spec.tower.patch_size, img_size=side,
            downsample_factor=config.downsample_factor,
            chat_template=tokenizers_.TEMPLATES[spec.template])

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            age_folder(path, spec)


def age_folder(path, spec):
    """As the hub has them: rotary settings and the pattern of windows at the decoder's top level,
    the factor beside the patches in the processor's settings."""
    config = read(path / "config.json")
    text = config["text_config"]
    text |= {"rope_theta": text.pop("rope_parameters")["rope_theta"], "torch_dtype": "float16",
             "sliding_window_pattern": 4}
    text.pop("layer_types")
    config["torch_dtype"] = config.pop("dtype")
    config.pop("tie_word_embeddings", None)
    write(path / "config.json", config | {"alignment_activation_fn": "swiglu",
                                          "transformers_version": "4.50.0.dev0"})
    old_processor_files(path, "GotOcr2ImageProcessorFast", "AyaVisionProcessor")
    write(path / "processor_config.json", read(path / "processor_config.json") | {
        "patch_size": spec.tower.patch_size, "downsample_factor": 2})
