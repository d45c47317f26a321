# SPDX-License-Identifier: GPL-3.0-or-later
"""llava: CLIP and SigLIP towers before Llama, Mistral and Qwen2 decoders, tokenizers of every kind,
and folders of each generation."""
import shutil

import torch
from safetensors.torch import load_file, save_file
from transformers import (CLIPImageProcessorPil, CLIPVisionConfig, LlamaConfig, LlavaConfig,
                          LlavaForConditionalGeneration, LlavaProcessor,
                          MistralConfig, Qwen2Config, SiglipImageProcessorPil, SiglipVisionConfig)

import tokenizers_
from families.base import LLAMA, LLAMA3_ROPE, WIDE_TEXT, WIDE_TOWER, FirstLayout, Plan, Spec, ids_of, make_tokenizer, randomise, read, write

SMALL = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=3)


def clip(**options):
    return CLIPVisionConfig(**{**SMALL, "image_size": 30, "patch_size": 6, "projection_dim": 16,
                               **options})


def siglip(**options):
    return SiglipVisionConfig(**{**SMALL, "image_size": 32, "patch_size": 8, **options})


FEW = ("plain", "several", "korean")
ALL = ("plain", "korean", "several", "words", "kinds", "more", "rest")
SPECS = {
    "clip-llama": Spec(clip(), LlamaConfig, {**LLAMA, "num_key_value_heads": 4},
                       tokenizer="llama_bos", conversations=ALL),
    "clip-gqa-tied": Spec(
        clip(hidden_act="gelu", image_size=42, patch_size=14, layer_norm_eps=1e-3), LlamaConfig,
        {**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": True, "attention_bias": True,
         "mlp_bias": True, "head_dim": 20,
         "rope_parameters": LLAMA3_ROPE, "rms_norm_eps": 1e-4, "hidden_act": "gelu_pytorch_tanh"},
        tokenizer="qwen", template="chatml", shard="60KB",
        model=dict(vision_feature_layer=-1, vision_feature_select_strategy="full",
                   multimodal_projector_bias=False,
                   projector_hidden_act="silu"),
        picture=dict(resample=2, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.25, 0.3]),
        conversations=FEW),
    "siglip-qwen2": Spec(
        siglip(), Qwen2Config, {**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": True,
                                "use_sliding_window": False,
                                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
        tokenizer="qwen", template="chatml", names="native", dtype="bfloat16", conversations=ALL,
        model=dict(vision_feature_layer=-1, vision_feature_select_strategy="full")),
    "siglip-mistral": Spec(
        siglip(image_size=30, patch_size=7, hidden_act="gelu"), MistralConfig,
        {**LLAMA, "num_key_value_heads": 1, "head_dim": 16, "sliding_window": None},
        tokenizer="llama", template="inst",
        dtype="float16", shard="50KB", model=dict(vision_feature_layer=-2,
                                                  vision_feature_select_strategy="default"),
        picture=dict(resample=1), conversations=FEW),
    "clip-old": Spec(
        clip(image_size=224, patch_size=32, hidden_size=48, num_attention_heads=12,
             num_hidden_layers=12), LlamaConfig,
        {**LLAMA, "rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 10000.0}},
        tokenizer="llama_bos",
        names="old", old_layout=True, dtype="float16", conversations=FEW),
    "clip-layers": Spec(
        clip(num_hidden_layers=4, num_attention_heads=2), MistralConfig,
        {**LLAMA, "num_key_value_heads": 4, "head_dim": 32, "sliding_window": 4096,
         "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        tokenizer="sentencepiece", template="inst", conversations=ALL,
        model=dict(vision_feature_layer=[-3, -1, 1], projector_hidden_act="quick_gelu")),
    "clip-positive": Spec(
        clip(image_size=33, patch_size=8), Qwen2Config,
        {**LLAMA, "num_key_value_heads": 4, "hidden_size": 40,
                                                         "sliding_window": 8,
                                                         "use_sliding_window": False},
        tokenizer="sentencepiece_legacy", names="old",
        model=dict(vision_feature_layer=2, projector_hidden_act="relu"), conversations=FEW),
    "siglip-llama": Spec(
        siglip(num_hidden_layers=2, image_size=24, patch_size=8), LlamaConfig,
        {**LLAMA, "num_key_value_heads": 2, "rope_parameters": {"rope_type": "linear",
                                                                "factor": 4.0,
                                                                "rope_theta": 5000.0}},
        tokenizer="llama_bos", template="vicuna",
        model=dict(vision_feature_select_strategy="full", vision_feature_layer=-1),
        conversations=FEW),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "patterns": dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj",
                                                        "linear_2"],
                     rank_pattern={"layers.0.self_attn.q_proj": 7, "v_proj": 2},
                     alpha_pattern={"down_proj": 3.5, r"layers\.1\..*v_proj": 5}),
    "rslora": dict(r=3, lora_alpha=5, use_rslora=True,
                   target_modules=r".*language_model.*\.(q_proj|o_proj|up_proj)"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"],
                          modules_to_save=["multi_modal_projector", "lm_head"]),
    "tower": dict(r=4, lora_alpha=4, target_modules=["out_proj", "fc1", "gate_proj", "linear_1"],
                  exclude_modules=r".*layers\.0\.mlp\.gate_proj"),
    "excluded": dict(r=4, lora_alpha=16, target_modules="all-linear",
                     exclude_modules=["fc2", "vision_tower.head.mlp.fc1", "o_proj"]),
    "embedding": dict(r=4, lora_alpha=6, target_modules=["embed_tokens", "q_proj"]),
    "head": dict(r=4, lora_alpha=6, target_modules=["lm_head", "v_proj"]),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
    "layers": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], layers_to_transform=[1]),
    "layers_named": dict(r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"],
                         layers_to_transform=0, layers_pattern="layers"),
}

PLANS = {
    "plain": Plan("clip-llama"),
    "token-embedding": Plan("siglip-llama", "embedding"),
    "head": Plan("siglip-mistral", "head"),
    "edge": Plan("clip-llama", "patterns", rows=7,
                 training=dict(gradient_accumulation_steps=3, shuffle=True, max_steps=8)),
    "epochs": Plan("siglip-llama", "attention", rows=9, training=dict(
        max_steps=-1, num_train_epochs=2.5, gradient_accumulation_steps=4,
        lr_scheduler_type="cosine", warmup_ratio=0.2, shuffle=True, seed=7)),
    "batch": Plan("siglip-qwen2", "linear", rows=10, without_picture=(2, 5), training=dict(
        per_device_train_batch_size=3, gradient_accumulation_steps=2, lr_scheduler_type="linear",
        warmup_steps=3, shuffle=True)),
    "decay": Plan("siglip-mistral", "excluded",
                  training=dict(weight_decay=0.2, lr_scheduler_type="cosine", max_grad_norm=0.05)),
    "unclipped": Plan("clip-gqa-tied", "rslora",
                      training=dict(max_grad_norm=0.0, lr_scheduler_type="linear",
                                    warmup_ratio=0.15)),
    "saved-modules": Plan("siglip-llama", "saved_modules",
                          training=dict(weight_decay=0.1, learning_rate=1e-3)),
    "tower": Plan("clip-layers", "tower", training=dict(weight_decay=0.1,
                                                        lr_scheduler_type="constant_with_warmup",
                                                        warmup_steps=4)),
    "words-only": Plan("clip-positive", "linear", rows=6, without_picture=(0, 1, 2, 3),
                       training=dict(
        weight_decay=0.3, gradient_accumulation_steps=1, shuffle=False, adam_beta1=0.8,
        adam_beta2=0.95, adam_epsilon=1e-6)),
    "recomputed": Plan("clip-gqa-tied", "attention", gradient_checkpointing="true",
                       training=dict(per_device_train_batch_size=2)),
    "evaluated": Plan("clip-llama", "attention", eval_rows=5,
                      training=dict(max_steps=6, learning_rate=5e-3)),
    "full": Plan("clip-llama", strategy="full",
                 training=dict(weight_decay=0.1, learning_rate=1e-3)),
    "full-tied": Plan("siglip-qwen2", strategy="full",
                      training=dict(learning_rate=1e-3, per_device_train_batch_size=2)),
    "stage-one": Plan("clip-gqa-tied", strategy="freeze",
                      freeze=dict(vision_tower=True, projector=False, language_model=True),
                      training=dict(learning_rate=1e-3)),
    "decoder": Plan("siglip-mistral", strategy="freeze",
                    freeze=dict(vision_tower=True, projector=True, language_model=False),
                    training=dict(learning_rate=1e-3, weight_decay=0.05)),
}

GRADIENT_ENDS = (
    "embed_tokens.weight", "lm_head.weight", "layers.0.self_attn.q_proj.weight",
    "layers.1.self_attn.k_proj.weight",
    "layers.0.self_attn.v_proj.bias", "layers.1.mlp.down_proj.weight",
    "layers.0.input_layernorm.weight", "model.norm.weight",
    "language_model.norm.weight", "multi_modal_projector.linear_1.weight",
    "multi_modal_projector.linear_2.bias", "class_embedding",
    "patch_embedding.weight", "patch_embedding.bias", "position_embedding.weight",
    "pre_layrnorm.bias", "encoder.layers.0.layer_norm1.weight",
    "encoder.layers.0.self_attn.out_proj.weight", "encoder.layers.0.self_attn.k_proj.bias",
    "encoder.layers.0.mlp.fc1.weight")


class Llava(FirstLayout):
    model_type = "llava"
    model_class, processor_class = LlavaForConditionalGeneration, LlavaProcessor
    specs, kinds, plans = SPECS, KINDS, PLANS
    larger = Spec(clip(**WIDE_TOWER, image_size=28, patch_size=7), LlamaConfig, WIDE_TEXT,
                  tokenizer="llama_bos")
    adapters = (("clip-llama", "linear", "new"), ("clip-llama", "linear", "old"),
                ("siglip-qwen2", "patterns", "new"),
                ("clip-gqa-tied", "rslora", "new"), ("siglip-llama", "saved_modules", "new"),
                ("siglip-mistral", "tower", "new"),
                ("clip-old", "regex", "old"), ("siglip-llama", "embedding", "new"),
                ("clip-gqa-tied", "embedding", "old"),
                ("siglip-mistral", "head", "new"), ("clip-llama", "layers", "new"),
                ("siglip-qwen2", "layers_named", "new"))
    tied = ("clip-gqa-tied", "siglip-qwen2")
    merges = (("clip-llama", "linear"), ("siglip-qwen2", "patterns"), ("siglip-mistral", "rslora"),
              ("clip-gqa-tied", "attention"),
              ("siglip-llama", "saved_modules"), ("clip-old", "attention"),
              ("siglip-llama", "embedding"), ("siglip-mistral", "head"))
    generates = (("clip-llama", "several"), ("clip-gqa-tied", "korean"), ("siglip-qwen2", "more"),
                 ("siglip-mistral", "plain"),
                 ("clip-layers", "plain"), ("clip-positive", "korean"), ("siglip-llama", "words"))
    compared = ("siglip-mistral",)
    informed = ("clip-llama", "clip-gqa-tied", "siglip-qwen2", "clip-old")
    tokenized = ("clip-llama", "siglip-mistral", "siglip-qwen2", "clip-layers", "clip-positive")

    def gradient_names(self, checkpoint):
        return [name for name in checkpoint.stored if name.endswith(GRADIENT_ENDS)]

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                            **ids_of(tokenizer), **spec.text_options})
        config = LlavaConfig(vision_config=spec.tower, text_config=text,
                             image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
                             **spec.model)
        model = LlavaForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()))
        size, is_clip = spec.tower.image_size, isinstance(spec.tower, CLIPVisionConfig)
        if is_clip:
            pictures = CLIPImageProcessorPil(**{"size": {"shortest_edge": size},
                                                "crop_size": {"height": size, "width": size},
                                                **spec.picture})
        else:
            pictures = SiglipImageProcessorPil(**{"size": {"height": size, "width": size},
                                                  **spec.picture})
        return model, LlavaProcessor(pictures, tokenizer, patch_size=spec.tower.patch_size,
                                     vision_feature_select_strategy=config.vision_feature_select_strategy,
                                     num_additional_image_tokens=int(is_clip),
                                     chat_template=tokenizers_.TEMPLATES[spec.template])

    def finish(self, path, spec):
        if spec.tokenizer.startswith("sentencepiece"):
            stand_in = path.parent / f"{path.name}.stand-in"
            stand_in.mkdir()
            for file in ("tokenizer.json", "tokenizer_config.json"):
                shutil.move(path / file, stand_in)
            for file in ("processor_config.json", "chat_template.jinja"):
                shutil.copy(path / file, stand_in)
            tokenizers_.write_sentencepiece_folder(path, legacy=spec.tokenizer.endswith("legacy"))
        super().finish(path, spec)
        if spec.names == "old":
            for file in path.glob("*.safetensors"):
                tensors = load_file(file)
                count = tensors["vision_tower.vision_model.embeddings.position_embedding.weight"].shape[0]
                tensors["vision_tower.vision_model.embeddings.position_ids"] = torch.arange(
                    count).unsqueeze(0)
                tensors["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(
                    4)
                save_file(tensors, file, metadata={"format": "pt"})
        if spec.old_layout:
            age_folder(path, spec)


def age_folder(folder, spec):
    """config.json and the picture processor as older versions of transformers wrote them: only what
    differs from the defaults, rope
    settings at the top level, torch_dtype, sizes as plain numbers."""
    config = read(folder / "config.json")
    for part, default in {"text_config": spec.text().to_dict(),
                          "vision_config": CLIPVisionConfig().to_dict()}.items():
        config[part] = {key: value for key, value in config[part].items()
                        if key not in ("rope_parameters", "model_type", "head_dim",
                                       "num_key_value_heads") and default.get(key) != value}
    rope = spec.text_options["rope_parameters"]
    config["text_config"] |= {"rope_scaling": {"type": rope["rope_type"], "factor": rope["factor"]}}
    config["torch_dtype"] = config.pop("dtype")
    for key in ("image_seq_length", "multimodal_projector_bias", "projector_hidden_act",
                "vision_feature_layer",
                "vision_feature_select_strategy", "tie_word_embeddings"):
        config.pop(key, None)
    write(folder / "config.json", config | {"transformers_version": "4.36.0.dev0",
                                            "ignore_index": -100, "pad_token_id": 560,
                                            "vocab_size": 562})
    size = spec.tower.image_size
    processor = read(folder / "processor_config.json")
    picture = processor.pop("image_processor") | {"size": size, "crop_size": size,
                                                  "image_processor_type": "CLIPImageProcessor",
                                                  "feature_extractor_type": "CLIPFeatureExtractor",
                                                  "processor_class": "LlavaProcessor"}
    write(folder / "preprocessor_config.json", picture)
    write(folder / "processor_config.json", processor)
    template = folder / "chat_template.jinja"
    write(folder / "chat_template.json", {"chat_template": template.read_text()})
    template.unlink()
