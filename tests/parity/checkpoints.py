# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny random checkpoints of the llava family, written by transformers: towers, decoders, tokenizers, dtypes and generations of file
layout mixed so that every option is met at least once. `Checkpoint` also holds the oracle's model and processor."""
import functools
import json
import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (AutoTokenizer, CLIPImageProcessorPil, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration,
                          LlavaProcessor, MistralConfig, Qwen2Config, SiglipImageProcessorPil, SiglipVisionConfig)

import tokenizers_

SMALL = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=3)


def clip(**options):
    return CLIPVisionConfig(**{**SMALL, "image_size": 30, "patch_size": 6, "projection_dim": 16, **options})


def siglip(**options):
    return SiglipVisionConfig(**{**SMALL, "image_size": 32, "patch_size": 8, **options})


@dataclass
class Spec:
    tower: object
    text: type
    text_options: dict
    tokenizer: str = "llama"            # llama | llama_bos | qwen | sentencepiece | sentencepiece_legacy
    template: str = "vicuna"
    llava: dict = field(default_factory=dict)
    picture: dict = field(default_factory=dict)
    dtype: str = "float32"
    names: str = "saved"                # saved | native | old
    old_layout: bool = False
    shard: str | None = None


LLAMA = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4)
LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=20000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64)
SPECS = {
    "clip-llama": Spec(clip(), LlamaConfig, {**LLAMA, "num_key_value_heads": 4}, tokenizer="llama_bos"),
    "clip-gqa-tied": Spec(
        clip(hidden_act="gelu", image_size=42, patch_size=14, layer_norm_eps=1e-3), LlamaConfig,
        {**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True, "head_dim": 20,
         "rope_parameters": LLAMA3_ROPE, "rms_norm_eps": 1e-4, "hidden_act": "gelu_pytorch_tanh"},
        tokenizer="qwen", template="chatml", shard="60KB",
        llava=dict(vision_feature_layer=-1, vision_feature_select_strategy="full", multimodal_projector_bias=False,
                   projector_hidden_act="silu"),
        picture=dict(resample=2, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.25, 0.3])),
    "siglip-qwen2": Spec(
        siglip(), Qwen2Config, {**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": True, "use_sliding_window": False,
                                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
        tokenizer="qwen", template="chatml", names="native", dtype="bfloat16",
        llava=dict(vision_feature_layer=-1, vision_feature_select_strategy="full")),
    "siglip-mistral": Spec(
        siglip(image_size=30, patch_size=7, hidden_act="gelu"), MistralConfig,
        {**LLAMA, "num_key_value_heads": 1, "head_dim": 16, "sliding_window": None}, tokenizer="llama", template="inst",
        dtype="float16", shard="50KB", llava=dict(vision_feature_layer=-2, vision_feature_select_strategy="default"),
        picture=dict(resample=1)),
    "clip-old": Spec(
        clip(image_size=224, patch_size=32, hidden_size=48, num_attention_heads=12, num_hidden_layers=12), LlamaConfig,
        {**LLAMA, "rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 10000.0}}, tokenizer="llama_bos",
        names="old", old_layout=True, dtype="float16"),
    "clip-layers": Spec(
        clip(num_hidden_layers=4, num_attention_heads=2), MistralConfig,
        {**LLAMA, "num_key_value_heads": 4, "sliding_window": 4096, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        tokenizer="sentencepiece", template="inst", llava=dict(vision_feature_layer=[-3, -1, 1], projector_hidden_act="quick_gelu")),
    "clip-positive": Spec(
        clip(image_size=33, patch_size=8), Qwen2Config, {**LLAMA, "num_key_value_heads": 4, "hidden_size": 40,
                                                         "sliding_window": 8, "use_sliding_window": False},
        tokenizer="sentencepiece_legacy", names="old", llava=dict(vision_feature_layer=2, projector_hidden_act="relu")),
    "siglip-llama": Spec(
        siglip(num_hidden_layers=2, image_size=24, patch_size=8), LlamaConfig,
        {**LLAMA, "num_key_value_heads": 2, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5000.0}},
        tokenizer="llama_bos", template="vicuna", llava=dict(vision_feature_select_strategy="full", vision_feature_layer=-1)),
}


def randomise(model, seed):
    """Weights of a size at which every block matters, so that a wrong block shows in the logits."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.15 * noise)
            elif parameter.dim() == 1 or "bias" in name:
                parameter.copy_(0.1 * noise)
            elif "embed" in name and "patch" not in name:
                parameter.copy_(0.6 * noise)
            else:
                parameter.copy_(noise * 1.2 / math.sqrt(parameter[0].numel()))


def old_name(name):
    """The name of a tensor as the first llava checkpoints had it."""
    return name.replace("vision_tower.", "vision_tower.vision_model.", 1)


def native_name(name):
    """From any stored name to the module's name in transformers 5.17."""
    name = name.removeprefix("model.") if name.startswith("model.") else name
    name = name.replace("vision_tower.vision_model.", "vision_tower.")
    if name.startswith("language_model.lm_head") or name.startswith("lm_head"):
        return "lm_head.weight"
    return "model." + name.replace("language_model.model.", "language_model.")


def rename_tensors(folder: Path, names: str):
    for path in folder.glob("*.safetensors"):
        tensors = load_file(path)
        if names == "native":
            tensors = {native_name(name): tensor for name, tensor in tensors.items()}
        else:
            tensors = {old_name(name): tensor for name, tensor in tensors.items()}
            count = tensors["vision_tower.vision_model.embeddings.position_embedding.weight"].shape[0]
            tensors["vision_tower.vision_model.embeddings.position_ids"] = torch.arange(count).unsqueeze(0)
            tensors["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})


def age_folder(folder: Path, spec: Spec):
    """config.json and the picture processor as older versions of transformers wrote them: only what differs from the defaults, rope
    settings at the top level, torch_dtype, sizes as plain numbers."""
    config = json.loads((folder / "config.json").read_text())
    defaults = {"text_config": spec.text().to_dict(), "vision_config": CLIPVisionConfig().to_dict()}
    for part, default in defaults.items():
        full = config[part]
        config[part] = {key: value for key, value in full.items()
                        if key not in ("rope_parameters", "model_type", "head_dim", "num_key_value_heads") and default.get(key) != value}
    rope = spec.text_options["rope_parameters"]
    config["text_config"] |= {"rope_scaling": {"type": rope["rope_type"], "factor": rope["factor"]}}
    config["torch_dtype"] = config.pop("dtype")
    for key in ("image_seq_length", "multimodal_projector_bias", "projector_hidden_act", "vision_feature_layer",
                "vision_feature_select_strategy", "tie_word_embeddings"):
        config.pop(key, None)
    config |= {"transformers_version": "4.36.0.dev0", "ignore_index": -100, "pad_token_id": 560, "vocab_size": 562}
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    size = spec.tower.image_size
    processor = json.loads((folder / "processor_config.json").read_text())
    picture = processor.pop("image_processor") | {"size": size, "crop_size": size, "image_processor_type": "CLIPImageProcessor",
                                                  "feature_extractor_type": "CLIPFeatureExtractor", "processor_class": "LlavaProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(picture, indent=2))
    (folder / "processor_config.json").write_text(json.dumps(processor, indent=2))
    template = (folder / "chat_template.jinja")
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template.read_text()}))
    template.unlink()


@dataclass
class Checkpoint:
    name: str
    path: Path
    spec: Spec
    slow_tokenizer: object = None

    @functools.cached_property
    def processor(self):
        """LlavaProcessor with the Pillow picture processor. A folder with tokenizer.model alone gets the slow tokenizer's stand-in (see
        conversation_ids)."""
        folder = self.path if self.slow_tokenizer is None else self.path.parent / f"{self.name}.stand-in"
        processor = LlavaProcessor.from_pretrained(folder, backend="pil")
        assert "Pil" in type(processor.image_processor).__name__
        return processor

    @functools.cached_property
    def stored(self):
        """Tensor name in the files → dtype."""
        tensors = {}
        for path in sorted(self.path.glob("*.safetensors")):
            tensors |= {name: tensor.dtype for name, tensor in load_file(path).items()}
        return tensors

    def tokenizer_ids(self, text):
        return self.slow_tokenizer.ids(text) if self.slow_tokenizer else AutoTokenizer.from_pretrained(self.path)(text)["input_ids"]

    def model(self, dtype=torch.float32):
        model = LlavaForConditionalGeneration.from_pretrained(self.path, dtype=dtype)
        return model.eval()

    def encode(self, messages, prompt=False):
        """What the model gets: input_ids [1, seq], attention_mask and pixel_values, by the processor's own chat template."""
        out = self.processor.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt",
                                                 add_generation_prompt=prompt)
        if self.slow_tokenizer:
            text = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
            if "pixel_values" in out:
                count = int((out["input_ids"] == self.processor.image_token_id).sum()) // out["pixel_values"].shape[0]
                text = text.replace("<image>", "<image>" * count)
            ids = self.slow_tokenizer.ids(text, special=not text.startswith("<s>"))
            out["input_ids"] = torch.tensor([ids])
            out["attention_mask"] = torch.ones_like(out["input_ids"])
        return {key: out[key] for key in ("input_ids", "attention_mask", "pixel_values") if key in out}

    def example(self, messages):
        """encode() and labels by loss_on: completion."""
        inputs = self.encode(messages)
        prompt = self.encode(messages[:-1], prompt=True)["input_ids"].shape[1]
        labels = inputs["input_ids"].clone()
        labels[:, :prompt] = -100
        labels[labels == self.processor.image_token_id] = -100
        return inputs | {"labels": labels}


def make_tokenizer(spec: Spec, scratch: Path):
    if spec.tokenizer == "qwen":
        return tokenizers_.qwen_tokenizer()
    return tokenizers_.llama_tokenizer(scratch, add_bos_token=spec.tokenizer != "llama")


def make_picture_processor(spec: Spec):
    size = spec.tower.image_size
    if isinstance(spec.tower, CLIPVisionConfig):
        return CLIPImageProcessorPil(**{"size": {"shortest_edge": size}, "crop_size": {"height": size, "width": size}, **spec.picture})
    return SiglipImageProcessorPil(**{"size": {"height": size, "width": size}, **spec.picture})


def make(name: str, root: Path) -> Checkpoint:
    """Writes ROOT/NAME (once) and returns it."""
    spec, path = SPECS[name], root / name
    sentencepiece = spec.tokenizer.startswith("sentencepiece")
    if not path.exists():
        scratch = root / f"{name}.tokenizer"
        tokenizer = make_tokenizer(spec, scratch)
        token = tokenizer.convert_tokens_to_ids
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048, "bos_token_id": tokenizer.bos_token_id,
                            "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, **spec.text_options})
        config = LlavaConfig(vision_config=spec.tower, text_config=text, image_token_index=token("<image>"), **spec.llava)
        model = LlavaForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()))
        model.to(getattr(torch, spec.dtype)).save_pretrained(path, **({"max_shard_size": spec.shard} if spec.shard else {}))
        has_class_token = isinstance(spec.tower, CLIPVisionConfig)
        processor = LlavaProcessor(make_picture_processor(spec), tokenizer, patch_size=spec.tower.patch_size,
                                   vision_feature_select_strategy=config.vision_feature_select_strategy,
                                   num_additional_image_tokens=int(has_class_token), chat_template=tokenizers_.TEMPLATES[spec.template])
        if sentencepiece:
            processor.save_pretrained(root / f"{name}.stand-in")
            for file in ("processor_config.json", "chat_template.jinja"):
                shutil.copy(root / f"{name}.stand-in" / file, path)
            tokenizers_.write_sentencepiece_folder(path, legacy=spec.tokenizer.endswith("legacy"))
        else:
            processor.save_pretrained(path)
        if spec.names != "saved":
            rename_tensors(path, spec.names)
        if spec.old_layout:
            age_folder(path, spec)
        shutil.rmtree(scratch, ignore_errors=True)
    return Checkpoint(name, path, spec, tokenizers_.read_sentencepiece_folder(path) if sentencepiece else None)
