# SPDX-License-Identifier: GPL-3.0-or-later
"""mistral3: Pixtral's tower for pictures of any size, squares of patches merged into one token,
rows of tokens with breaks between them, and a Mistral decoder or a Ministral 3 one, whose queries
grow with their position."""
import torch
from transformers import (Ministral3Config, Mistral3Config, Mistral3ForConditionalGeneration,
                          MistralConfig, PixtralImageProcessorPil, PixtralProcessor,
                          PixtralVisionConfig)

import tokenizers_
from families.base import (CONVERSATIONS, LLAMA, LLAMA3_ROPE, WIDE_TEXT, WIDE_TOWER, FirstLayout,
                           Plan, Spec, full_plan, ids_of, make_tokenizer, old_processor_files,
                           randomise, read, towers_plan, write)

TOKENS = ("[IMG]", "[IMG_BREAK]", "[IMG_END]")
SMALL = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=3)


def pixtral(**options):
    return PixtralVisionConfig(**{**SMALL, "image_size": 56, "patch_size": 7, **options})


PLAIN = dict(rope_type="default", rope_theta=1e6)
SPECS = {
    "mistral3-plain": Spec(
        pixtral(), MistralConfig, {**LLAMA, "num_key_value_heads": 2, "head_dim": 16,
                                   "sliding_window": None, "rope_parameters": PLAIN},
        "llama_bos", "pixtral", dict(tie_word_embeddings=False), dict(size={"longest_edge": 56}),
        conversations=(*CONVERSATIONS, "kinds")),
    # rows reach beyond the length from which queries grow
    "mistral3-ministral": Spec(
        pixtral(patch_size=6, num_attention_heads=2, hidden_act="silu", rope_parameters=dict(
            rope_type="axial", rope_theta=500.0)), Ministral3Config,
        {**LLAMA, "num_key_value_heads": 4, "head_dim": 20, "rms_norm_eps": 1e-4,
         "rope_parameters": dict(rope_type="yarn", rope_theta=1e5, factor=4.0,
                                 original_max_position_embeddings=16, mscale=1.0,
                                 mscale_all_dim=1.0, beta_fast=32.0, beta_slow=1.0,
                                 llama_4_scaling_beta=0.3)},
        "qwen", "pixtral", dict(tie_word_embeddings=True, spatial_merge_size=3,
                                multimodal_projector_bias=True, projector_hidden_act="silu",
                                vision_feature_layer=-2),
        dict(size={"height": 60, "width": 40}, resample=2, image_mean=[0.4, 0.5, 0.6]),
        names="native", dtype="bfloat16"),
    # a window and growing queries; the layer as a list of one
    "mistral3-slides": Spec(
        pixtral(patch_size=5, num_hidden_layers=2), Ministral3Config,
        {**LLAMA, "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 30,
         "rope_parameters": {**LLAMA3_ROPE, "original_max_position_embeddings": 24,
                             "llama_4_scaling_beta": 0.5}},
        "llama_bos", "pixtral", dict(tie_word_embeddings=False, vision_feature_layer=[-1]),
        dict(size={"longest_edge": 50}), conversations=("plain", "several", "words")),
    "mistral3-old": Spec(
        pixtral(patch_size=8), MistralConfig,
        {**LLAMA, "num_key_value_heads": 1, "sliding_window": 25, "rope_parameters": PLAIN},
        "llama", "pixtral", dict(tie_word_embeddings=False, spatial_merge_size=1),
        dict(size={"longest_edge": 32}), dtype="float16", shard="60KB",
        old_layout=True, conversations=("plain", "several", "rest")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_tower\.transformer\.layers\.\d+\.(attention\.q_proj|feed_forward\.up_proj)"
        r"|patch_merger\.merging_layer|language_model\.layers\.\d+\.self_attn\.[vo]_proj)")),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"],
                          modules_to_save=["multi_modal_projector"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class Mistral3(FirstLayout):
    model_type = "mistral3"
    model_class, processor_class = Mistral3ForConditionalGeneration, PixtralProcessor
    inputs = ("input_ids", "attention_mask", "pixel_values", "image_sizes")
    specs, kinds = SPECS, KINDS
    larger = Spec(pixtral(**WIDE_TOWER), MistralConfig, {**WIDE_TEXT, "sliding_window": None},
                  "llama_bos", "pixtral", dict(tie_word_embeddings=False),
                  dict(size={"longest_edge": 56}))
    adapters = (("mistral3-plain", "linear", "new"), ("mistral3-ministral", "towers", "new"),
                ("mistral3-old", "saved_modules", "new"))
    tied = ("mistral3-ministral",)
    merges = (("mistral3-plain", "towers"), ("mistral3-ministral", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several"))
    compared = ("mistral3-plain", "mistral3-ministral")
    informed = tuple(SPECS)
    plans = {
        "mistral3": towers_plan("mistral3-plain"),
        "mistral3-recomputed": Plan("mistral3-ministral", "attention",
                                    gradient_checkpointing="true",
                                    training=dict(per_device_train_batch_size=2, max_steps=4)),
        "mistral3-full": full_plan("mistral3-plain"),
    }

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, TOKENS)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options})
        config = Mistral3Config(vision_config=spec.tower, text_config=text,
                                image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
                                **spec.model)
        model = Mistral3ForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        return model, PixtralProcessor(
            PixtralImageProcessorPil(**spec.picture), tokenizer, patch_size=spec.tower.patch_size,
            spatial_merge_size=config.spatial_merge_size,
            chat_template=tokenizers_.TEMPLATES[spec.template])

    def older_name(self, name):
        """This tower never had a vision_model around it."""
        return name

    def older_key(self, name):
        return super().older_key(name).replace("vision_tower.vision_model.", "vision_tower.", 1)

    def gradient_names(self, checkpoint):
        """All but those of layers behind the one whose states are taken."""
        count = checkpoint.spec.tower.num_hidden_layers
        layer = checkpoint.spec.model.get("vision_feature_layer", -1)
        layer = layer[0] if isinstance(layer, list) else layer
        unused = [f"transformer.layers.{number}."
                  for number in range(layer if layer >= 0 else count + 1 + layer, count)]
        return [name for name in checkpoint.stored if not any(part in name for part in unused)]

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        rope = config["text_config"].pop("rope_parameters")
        config["text_config"] |= {"rope_theta": rope["rope_theta"]}
        config["vision_config"].pop("rope_parameters", None)
        config["vision_config"] |= {"rope_theta": 10000.0}
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config | {"transformers_version": "4.50.0.dev0"})
        old_processor_files(path, "PixtralImageProcessor", "PixtralProcessor")

    def batch_pictures(self, examples):
        """Every picture is as large as the largest: zeros, which the model leaves out again."""
        largest = [max((example["pixel_values"].shape[side] for example in examples), default=0)
                   for side in (2, 3)]
        padded = [{**example, "pixel_values": torch.nn.functional.pad(
            example["pixel_values"], (0, largest[1] - example["pixel_values"].shape[3],
                                      0, largest[0] - example["pixel_values"].shape[2]))}
            for example in examples]
        return super().batch_pictures(padded)
