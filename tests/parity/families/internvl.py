# SPDX-License-Identifier: GPL-3.0-or-later
"""internvl: a tower with layer scale, pixel shuffle by a ratio, a normed MLP; pictures cut into the
grid nearest to their shape, a thumbnail
last."""
from transformers import (GotOcr2ImageProcessorPil, InternVLConfig,
                          InternVLForConditionalGeneration, InternVLProcessor,
                          InternVLVideoProcessor,
                          LlamaConfig, Qwen2Config)

import tokenizers_
from families.base import (CONVERSATIONS, LLAMA, LLAMA3_ROPE, WIDE_TEXT, WIDE_TOWER, FirstLayout,
                           Plan, Spec, full_plan, ids_of,
                           old_processor_files, randomise, read, towers_plan, write)

NAMED = dict(start_image_token="<img>", end_image_token="</img>",
             context_image_token="<IMG_CONTEXT>", video_token="<video>")
TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2,
             image_size=32, patch_size=8)

SPECS = {
    "internvl-plain": Spec(TOWER, Qwen2Config, {**LLAMA, "num_key_value_heads": 2}, "qwen",
                           "internvl", picture=dict(max_patches=6),
                           model=dict(tie_word_embeddings=False),
                           conversations=(*CONVERSATIONS, "kinds")),
    # root mean square norms, normed queries and keys, biases, a norm at the tower's end; a saved
    # crop_to_patches is overridden by the processor
    "internvl-norms": Spec(
        {**TOWER, "norm_type": "rms_norm", "use_qk_norm": True, "attention_bias": True,
         "use_mean_pooling": False, "layer_norm_eps": 1e-3,
         "hidden_act": "gelu_pytorch_tanh", "num_attention_heads": 2, "image_size": 48,
         "patch_size": 6}, LlamaConfig,
        {**LLAMA, "num_key_value_heads": 4, "rope_parameters": LLAMA3_ROPE}, "qwen", "internvl",
        dict(tie_word_embeddings=True, downsample_ratio=0.25, projector_hidden_act="silu"),
        dict(max_patches=4, min_patches=2, crop_to_patches=False), dtype="bfloat16",
        names="native"),
    # one tile, larger than the tower's positions, which are stretched; features of an inner layer
    "internvl-stretched": Spec(
        {**TOWER, "num_hidden_layers": 3, "use_mean_pooling": False, "norm_type": "rms_norm"},
        Qwen2Config,
        {**LLAMA, "num_key_value_heads": 1, "rope_parameters": dict(
            rope_type="dynamic", rope_theta=1e5, factor=2.0),
         "max_position_embeddings": 64}, "qwen", "internvl", dict(vision_feature_layer=-2),
        dict(max_patches=1, crop_to_patches=True, size={"height": 48, "width": 48}, resample=2,
             image_mean=[0.5] * 3, image_std=[0.5] * 3)),
    "internvl-old": Spec(
        {**TOWER, "num_hidden_layers": 3}, Qwen2Config,
        {**LLAMA, "num_key_value_heads": 2, "rope_parameters": dict(
            rope_type="default", rope_theta=1e6)}, "qwen", "internvl",
            dict(tie_word_embeddings=False),
        picture=dict(max_patches=12), dtype="float16", shard="60KB", old_layout=True),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6,
                   target_modules=r".*(vision_tower\.encoder\.layer\.\d+\.(attention\.(q_proj|projection_layer)|mlp\.fc1)"
                                                     r"|multi_modal_projector\.linear_1|language_model\.layers\.\d+\.mlp\.down_proj)"),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"],
                          modules_to_save=["multi_modal_projector", "lm_head"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class InternVL(FirstLayout):
    model_type = "internvl"
    model_class, processor_class = InternVLForConditionalGeneration, InternVLProcessor
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, **WIDE_TOWER}, Qwen2Config, WIDE_TEXT, "qwen", "internvl",
                  dict(tie_word_embeddings=False), dict(max_patches=6))
    adapters = (("internvl-plain", "linear", "new"), ("internvl-norms", "towers", "new"),
                ("internvl-old", "regex", "old"),
                ("internvl-plain", "saved_modules", "new"))
    tied = ("internvl-stretched",)
    merges = (("internvl-plain", "towers"), ("internvl-norms", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several")) + (("internvl-plain", "words"),)
    compared = ("internvl-plain",)
    informed = ("internvl-plain", "internvl-norms")
    plans = {
        "internvl": towers_plan("internvl-plain"),
        "internvl-linear": Plan("internvl-norms", "linear",
                                training=dict(per_device_train_batch_size=2, shuffle=True)),
        "internvl-full": full_plan("internvl-old"),
    }

    def older_name(self, name):
        return name

    def older_key(self, name):
        return super().older_key(name).replace("vision_tower.vision_model.", "vision_tower.")

    def load_processor(self, folder):
        # the choice of a backend would go to the video processor too, which has but one
        processor = InternVLProcessor.from_pretrained(folder)
        processor.image_processor = GotOcr2ImageProcessorPil.from_pretrained(folder)
        return processor

    def build(self, spec, name, scratch):
        tokenizer = tokenizers_.qwen_tokenizer(**NAMED)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options})
        config = InternVLConfig(vision_config=dict(spec.tower), text_config=text,
                                image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
                                **spec.model)
        model = InternVLForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        side = spec.tower["image_size"]
        options = {"size": {"height": side, "width": side}, **spec.picture}
        count = int((options["size"]["height"] // spec.tower["patch_size"]) * config.downsample_ratio) ** 2
        pictures = GotOcr2ImageProcessorPil(**options)
        return model, InternVLProcessor(pictures, tokenizer, InternVLVideoProcessor(),
                                        image_seq_length=count,
                                        chat_template=tokenizers_.TEMPLATES[spec.template])

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            age_folder(path)


def age_folder(path):
    """As the hub has them: rotary settings at the decoder's top level, preprocessor_config.json of
    the class that crops."""
    config = read(path / "config.json")
    rope = config["text_config"].pop("rope_parameters")
    config["text_config"].pop("layer_types", None)
    config["text_config"] |= {"rope_theta": rope["rope_theta"], "torch_dtype": "float16",
                              "use_sliding_window": False, "sliding_window": None}
    config["torch_dtype"] = config.pop("dtype")
    write(path / "config.json", config | {"transformers_version": "4.52.0.dev0"})
    old_processor_files(path, "GotOcr2ImageProcessorFast", "InternVLProcessor")
