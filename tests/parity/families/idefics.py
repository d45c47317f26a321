# SPDX-License-Identifier: GPL-3.0-or-later
"""idefics: gated layers before those of a Llama decoder see the last picture of what stands before a
token. The processor takes texts and pictures one after another; the class's own loss leaves the
additional words out, so that it is made here of all logits."""
import types

import torch
from transformers import IdeficsConfig, IdeficsForVisionText2Text, IdeficsProcessor
from transformers.image_utils import load_image
from transformers.models.idefics.image_processing_pil_idefics import IdeficsImageProcessorPil

import tokenizers_
from families.base import (LLAMA, LLAMA3_ROPE, WIDE_TEXT, WIDE_TOWER, Family, Plan, Spec, full_plan,
                           ids_of, make_tokenizer, randomise, read, towers_plan, write)

TOWER = dict(embed_dim=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2,
             image_size=24, patch_size=8)
TEXT = {**LLAMA, "num_hidden_layers": 4, "rope_parameters": dict(rope_type="default",
                                                                 rope_theta=1e4)}
OPEN = dict(freeze_text_layers=False, freeze_vision_layers=False, freeze_lm_head=False)
SPECS = {
    # both marks are additional words; a gated layer before every second one
    "idefics-plain": Spec(TOWER, None, TEXT, "llama_bos", "idefics",
                          dict(additional_vocab_size=2, cross_layer_interval=2, **OPEN)),
    "idefics-resampled": Spec(
        {**TOWER, "image_size": 28, "patch_size": 7, "hidden_act": "quick_gelu",
         "layer_norm_eps": 1e-3, "num_attention_heads": 2}, None,
        {**TEXT, "num_hidden_layers": 3, "rope_parameters": LLAMA3_ROPE, "rms_norm_eps": 1e-4,
         "hidden_act": "gelu", "tie_word_embeddings": True},
        "llama_bos", "idefics_ends",
        dict(additional_vocab_size=5, cross_layer_interval=1, alpha_type="vector",
             qk_layer_norms=True, use_resampler=True,
             perceiver_config=dict(use_resampler=True, resampler_n_latents=5, resampler_depth=2,
                                   resampler_n_heads=3, resampler_head_dim=8,
                                   qk_layer_norms_perceiver=True), **OPEN),
        dict(image_mean=[0.4, 0.5, 0.6]), dtype="bfloat16",
        conversations=("plain", "several", "words")),
    # as the hub has it: sizes in the processor's own words, no word beside the decoder's
    "idefics-old": Spec(
        {**TOWER, "num_hidden_layers": 3}, None, {**TEXT, "num_attention_heads": 3},
        "llama_bos", "idefics",
        dict(cross_layer_interval=4, use_resampler=True,
             perceiver_config=dict(use_resampler=True, resampler_n_latents=3, resampler_depth=1,
                                   resampler_n_heads=2, resampler_head_dim=16), **OPEN),
        dtype="float16", old_layout=True, shard="60KB", conversations=("several", "words")),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_model\.encoder\.layers\.\d+\.(self_attn\.v_proj|mlp\.fc2)"
        r"|perceiver_resampler\.blocks\.\d+\.(0\.k_proj|1\.fc)"
        r"|gated_cross_attn_layers\.\d+\.(cross_attn\.[kq]_proj|mlp\.down_proj)"
        r"|model\.layers\.\d+\.self_attn\.q_proj)")),
    "regex": dict(r=5, lora_alpha=10, target_modules=r".*(cross|self)_attn\.[qv]_proj"),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
    # with the words beside the decoder's own
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj"],
                          modules_to_save=["lm_head"]),
}
GIVEN = ("pixel_values", "image_encoder_embeddings", "perceiver_embeddings")


def of_all_words(model, labels=None, **inputs):
    """In the place of a model's forward: rows without pictures see none, and the loss is of all
    logits."""
    ids = inputs["input_ids"]
    if all(inputs.get(key) is None for key in GIVEN):
        side = model.config.vision_config.image_size
        inputs["pixel_values"] = torch.zeros(ids.shape[0], 1, 3, side, side)
    if inputs.get("image_attention_mask") is None:
        inputs["image_attention_mask"] = torch.zeros(*ids.shape, 1, dtype=torch.int64)
    extra = {key: inputs.pop(key) for key in ("num_items_in_batch",) if key in inputs}
    out = type(model).forward(model, **inputs)
    if labels is not None:
        out.loss = model.loss_function(out.logits, labels, out.logits.shape[-1], **extra)
    return out


class Idefics(Family):
    model_type = "idefics"
    model_class, processor_class = IdeficsForVisionText2Text, IdeficsProcessor
    parts = {"vision_tower": "model.vision_model.",
             "projector": ("model.perceiver_resampler.", "model.gated_cross_attn_layers."),
             "language_model": ("model.layers.", "model.embed_tokens.", "model.norm.", "lm_head.")}
    embedding = "model.embed_tokens.weight"
    inputs = ("input_ids", "attention_mask", "pixel_values", "image_attention_mask")
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, **{key.replace("hidden_size", "embed_dim") if key == "hidden_size"
                               else key: value for key, value in WIDE_TOWER.items()},
                   "image_size": 56}, None,
                  {key: value for key, value in WIDE_TEXT.items() if key != "num_key_value_heads"},
                  "llama_bos", "idefics", dict(cross_layer_interval=2, **OPEN))
    adapters = (("idefics-plain", "linear", "new"), ("idefics-resampled", "towers", "new"),
                ("idefics-old", "regex", "new"), ("idefics-plain", "saved_modules", "new"))
    merges = (("idefics-resampled", "towers"), ("idefics-plain", "linear"))
    generates = (("idefics-plain", "several"), ("idefics-plain", "words"),
                 ("idefics-resampled", "plain"), ("idefics-old", "several"))
    compared = ("idefics-plain",)
    informed = tuple(SPECS)
    plans = {
        "idefics": towers_plan("idefics-plain"),
        "idefics-recomputed": Plan("idefics-resampled", "towers", gradient_checkpointing="true",
                                   training=dict(per_device_train_batch_size=2, max_steps=4)),
        "idefics-full": full_plan("idefics-plain"),
        "idefics-bridge": Plan("idefics-resampled", strategy="freeze",
                               freeze=dict(vision_tower=True, projector=False,
                                           language_model=True),
                               training=dict(learning_rate=1e-3, max_steps=4)),
    }

    def encode(self, checkpoint, messages, prompt):
        tokenizer = checkpoint.processor.tokenizer
        text = tokenizer.apply_chat_template(messages, tokenize=False,
                                             add_generation_prompt=prompt)
        pictures = [load_image(part["path"]) for message in messages
                    for part in message["content"] if part["type"] == "image"]
        pieces = text.removeprefix(tokenizer.bos_token).split("<image>")
        items = [pieces[0]]
        for picture, piece in zip(pictures, pieces[1:], strict=True):
            items += [picture, piece]
        out = checkpoint.processor(text=[[item for item in items if item != ""]],
                                   return_tensors="pt")
        return {key: out[key] for key in self.inputs
                if pictures or key in ("input_ids", "attention_mask")}

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, ("<fake_token_around_image>",))
        more = spec.model.get("additional_vocab_size", 0)
        text = {"vocab_size": len(tokenizer) + (3 - more if more > 2 else -more if more else 3),
                "max_position_embeddings": 2048, **ids_of(tokenizer), **spec.text_options}
        if text["vocab_size"] <= text["pad_token_id"]:
            text["pad_token_id"] = 0
        config = IdeficsConfig(vision_config=dict(spec.tower), **text, **spec.model)
        model = IdeficsForVisionText2Text(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        generator = torch.Generator().manual_seed(len(name))
        with torch.no_grad():   # gates that let through enough to be seen
            for key, parameter in model.named_parameters():
                if "alpha_" in key and not parameter.is_meta:
                    parameter.copy_(0.7 + 0.3 * torch.randn(parameter.shape, generator=generator))
        side = spec.tower["image_size"]
        pictures = IdeficsImageProcessorPil(image_size=side, **spec.picture)
        tokenizer.chat_template = tokenizers_.TEMPLATES[spec.template]
        return model, IdeficsProcessor(pictures, tokenizer)

    def load_model(self, path, spec, dtype):
        model = super().load_model(path, spec, dtype)
        model.forward = types.MethodType(of_all_words, model)
        return model

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        rope = config.pop("rope_parameters")
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config | {"rope_theta": rope["rope_theta"],
                                              "transformers_version": "4.32.0.dev0",
                                              "word_embed_proj_dim": 48})
        processor = read(path / "processor_config.json")
        own = processor.pop("image_processor")
        write(path / "preprocessor_config.json", {
            "image_num_channels": 3, "image_size": spec.tower["image_size"],
            "image_mean": own["image_mean"], "image_std": own["image_std"],
            "image_processor_type": "IdeficsImageProcessor"})
        (path / "processor_config.json").unlink()

    def silent(self, name):
        """Nor does the resampler's softmax feel what its norm adds to every key."""
        return super().silent(name) or (
            "perceiver_resampler" in name and name.endswith("k_layer_norm.bias"))

    def batch_pictures(self, examples):
        return {}

    def batch(self, examples):
        batch = super().batch(examples)
        shown = [example for example in examples if "pixel_values" in example]
        if not shown:
            return batch
        most = max(example["pixel_values"].shape[1] for example in shown)
        length = batch["input_ids"].shape[1]
        pixels = torch.zeros(len(examples), most, *shown[0]["pixel_values"].shape[2:])
        mask = torch.zeros(len(examples), length, most, dtype=torch.int64)
        for row, example in enumerate(examples):
            if "pixel_values" not in example:
                continue
            count = example["pixel_values"].shape[1]
            pixels[row, :count] = example["pixel_values"][0]
            own = example["image_attention_mask"]
            mask[row, :own.shape[1], :count] = own[0]
        return batch | {"pixel_values": pixels, "image_attention_mask": mask}
