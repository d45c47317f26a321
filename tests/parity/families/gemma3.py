# SPDX-License-Identifier: GPL-3.0-or-later
"""gemma3: a SigLIP tower pooled to few tokens, norms of 1 + weight, local and global layers; a
picture's tokens see each other both ways, in
local layers only as far back as the window."""
from transformers import (Gemma3Config, Gemma3ForConditionalGeneration, Gemma3ImageProcessorPil,
                          Gemma3Processor, Gemma3TextConfig,
                          SiglipVisionConfig)

import tokenizers_
from families.base import (CONVERSATIONS, WIDE_TEXT, WIDE_TOWER, FirstLayout, Plan, Spec, full_plan,
                           ids_of, old_processor_files,
                           randomise, read, towers_plan, write)

TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2,
             image_size=32, patch_size=8, vision_use_head=False)
TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16,
            query_pre_attn_scalar=16)

SPECS = {
    # a picture is 16 tokens, the window 6
    "gemma3-plain": Spec(
        TOWER, None, {**TEXT, "sliding_window": 6,
                      "layer_types": ["sliding_attention", "sliding_attention", "full_attention",
                                                                   "sliding_attention"]},
        "gemma", "gemma", dict(mm_tokens_per_image=16), conversations=(*CONVERSATIONS, "kinds")),
    "gemma3-pooled": Spec(
        {**TOWER, "image_size": 48, "layer_norm_eps": 1e-3, "num_attention_heads": 2}, None,
        {**TEXT, "num_key_value_heads": 4, "head_dim": 12, "query_pre_attn_scalar": 20,
         "rms_norm_eps": 1e-4, "attention_bias": True,
         "sliding_window": 24, "layer_types": ["full_attention", "sliding_attention",
                                               "sliding_attention", "full_attention"],
         "tie_word_embeddings": False, "rope_parameters": {
             "full_attention": dict(rope_type="linear", rope_theta=5e5, factor=8.0),
             "sliding_attention": dict(rope_type="default", rope_theta=2e3)}},
        "gemma", "gemma", dict(mm_tokens_per_image=4, tie_word_embeddings=False), names="native",
        dtype="bfloat16", shard="60KB"),
    # the pattern as a number, rotary settings at the top level
    "gemma3-old": Spec(
        {**TOWER, "image_size": 54, "patch_size": 9}, None,
        {**TEXT, "num_key_value_heads": 1, "head_dim": 64, "sliding_window": 9,
         "sliding_window_pattern": 2,
         "rope_parameters": {
            "full_attention": dict(rope_type="linear", rope_theta=1e6, factor=4.0),
            "sliding_attention": dict(rope_type="default", rope_theta=1e4)}},
        "gemma", "gemma", dict(mm_tokens_per_image=9), dtype="float16", names="old",
        old_layout=True),
    # the processor overrides a saved do_pan_and_scan by its own default: no crops
    "gemma3-crops": Spec(
        {**TOWER, "hidden_act": "gelu"}, None,
        # heads as wide as attention's own loops take them
        {**TEXT, "head_dim": 32, "sliding_window": 5, "num_hidden_layers": 3,
         "layer_types": ["sliding_attention", "full_attention", "full_attention"],
         "hidden_activation": "gelu", "rope_parameters": {
             "full_attention": dict(rope_type="yarn", rope_theta=1e4, factor=4.0,
                                    original_max_position_embeddings=40),
             "sliding_attention": dict(rope_type="default", rope_theta=1e4)}},
        "gemma", "gemma", dict(mm_tokens_per_image=4),
        dict(do_pan_and_scan=True, pan_and_scan_min_crop_size=12, pan_and_scan_max_num_crops=3,
             pan_and_scan_min_ratio_to_activate=1.3,
             resample=3), conversations=("plain", "korean", "rest")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6,
                   target_modules=r".*(vision_tower\.encoder\.layers\.\d+\.(self_attn\.q_proj|mlp\.fc1)"
                                                     r"|language_model\.layers\.\d+\.(self_attn\.[kv]_proj|mlp\.down_proj))"),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "o_proj"],
                          modules_to_save=["multi_modal_projector"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class Gemma3(FirstLayout):
    model_type = "gemma3"
    model_class, processor_class = Gemma3ForConditionalGeneration, Gemma3Processor
    inputs = ("input_ids", "attention_mask", "pixel_values", "token_type_ids")
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, **WIDE_TOWER}, None,
                  {**TEXT, **WIDE_TEXT, "head_dim": 48, "sliding_window": 16}, "gemma", "gemma",
                  dict(mm_tokens_per_image=16))
    adapters = (("gemma3-plain", "linear", "new"), ("gemma3-pooled", "towers", "new"),
                ("gemma3-old", "regex", "old"),
                ("gemma3-plain", "saved_modules", "new"))
    tied = ("gemma3-plain", "gemma3-old")
    merges = (("gemma3-plain", "towers"), ("gemma3-pooled", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "korean")) + (
        ("gemma3-plain", "several"), ("gemma3-plain", "words"), ("gemma3-old", "several"))
    compared = ("gemma3-plain",)
    informed = ("gemma3-plain", "gemma3-old")
    tokenized = ("gemma3-plain",)
    plans = {
        "gemma3": towers_plan("gemma3-plain"),
        "gemma3-linear": Plan("gemma3-pooled", "linear",
                              training=dict(per_device_train_batch_size=2, shuffle=True)),
        "gemma3-full": full_plan("gemma3-old"),
    }

    def image_token_id(self, checkpoint):
        return checkpoint.processor.tokenizer.image_token_id

    def build(self, spec, name, scratch):
        tokenizer = tokenizers_.gemma_tokenizer(tokens=("<start_of_turn>", "<end_of_turn>"),
                                                image_token="<image_soft_token>",
                                                boi_token="<start_of_image>",
                                                eoi_token="<end_of_image>")
        token = tokenizer.convert_tokens_to_ids
        text = {"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                **ids_of(tokenizer), **spec.text_options}
        config = Gemma3Config(text_config=Gemma3TextConfig(**text),
                              vision_config=SiglipVisionConfig(**spec.tower),
                              boi_token_index=token("<start_of_image>"),
                              eoi_token_index=token("<end_of_image>"),
                              image_token_index=token("<image_soft_token>"), **spec.model)
        model = Gemma3ForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()), one_plus=True, embedding=0.06)
        size = spec.tower["image_size"]
        pictures = Gemma3ImageProcessorPil(**{"size": {"height": size, "width": size},
                                              **spec.picture})
        return model, Gemma3Processor(pictures, tokenizer, tokenizers_.TEMPLATES[spec.template],
                                      image_seq_length=config.mm_tokens_per_image)

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            age_folder(path, spec)


def age_folder(path, spec):
    """As the hub has them: rope_theta, rope_local_base_freq and rope_scaling,
    sliding_window_pattern for layer_types, few keys beside."""
    config = read(path / "config.json")
    text = config["text_config"]
    rope = text.pop("rope_parameters")
    text.pop("layer_types")
    text |= {"rope_theta": rope["full_attention"]["rope_theta"],
             "rope_local_base_freq": rope["sliding_attention"]["rope_theta"],
             "rope_scaling": {"factor": rope["full_attention"]["factor"], "rope_type": "linear"},
             "sliding_window_pattern": spec.text_options["sliding_window_pattern"]}
    config["torch_dtype"] = config.pop("dtype")
    for key in ("tie_word_embeddings", "hidden_activation", "attention_bias", "rms_norm_eps"):
        config.pop(key, None)
        text.pop(key, None)
    write(path / "config.json", config | {"transformers_version": "4.50.0.dev0",
                                          "eoi_token_index": config["eoi_token_index"]})
    old_processor_files(path, "Gemma3ImageProcessor", "Gemma3Processor")
