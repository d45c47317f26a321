# SPDX-License-Identifier: GPL-3.0-or-later
"""phi4_multimodal: SigLIP's tower over the squares that a picture lies on and over the whole, of
which what shows nothing is left out, separators between lines and views, Phi-3's decoder. Its
picture processor is torchvision's alone, and counts 16 by 16 features a frame whatever its settings
say: tiny ones have smaller patches. One of the checkpoints, and the adapter on it, have what is for
sound, too; of the others the oracle is asked without it."""
import torch
from PIL import Image, ImageOps
from transformers import (Phi4MultimodalConfig, Phi4MultimodalFeatureExtractor,
                          Phi4MultimodalForCausalLM, Phi4MultimodalImageProcessor,
                          Phi4MultimodalProcessor)

import tokenizers_
from families.base import (WIDE_TEXT, WIDE_TOWER, Family, Plan, Spec, full_plan, ids_of, randomise,
                           read, towers_plan, write)
from families.phi3 import TEXT, longrope

TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=2, num_hidden_layers=3,
             image_size=128, crop_size=128, patch_size=4)
SQUARES = dict(size={"height": 128, "width": 128}, patch_size=4, dynamic_hd=4)
SOUND = dict(hidden_size=16, intermediate_size=16, num_blocks=1, num_attention_heads=2,
             ext_pw_out_channel=16, depthwise_separable_out_channel=16, nemo_conv_channels=8)
NAMED = dict(image_token="<|image|>", audio_token="<|audio|>")

SPECS = {
    # prompts stand on both sides of the length that it was trained with, and no answer passes it:
    # transformers would then go on from a cache without the prompt
    "phi4_multimodal-plain": Spec(
        TOWER, None, {**TEXT, "original_max_position_embeddings": 300,
                      "rope_parameters": longrope(8, 300)}, "qwen", "phi4", picture=SQUARES,
        conversations=("plain", "words", "large")),
    # 31 by 31 patches; states that are not the last but one; a window
    "phi4_multimodal-tied": Spec(
        {**TOWER, "image_size": 93, "crop_size": 93, "patch_size": 3, "hidden_act": "gelu",
         "layer_norm_eps": 1e-4, "feature_layer": 1, "num_attention_heads": 4}, None,
        {**TEXT, "num_key_value_heads": 4, "tie_word_embeddings": True, "rms_norm_eps": 1e-4,
         "hidden_act": "gelu", "sliding_window": 300,
         "rope_parameters": dict(rope_type="default", rope_theta=5e4, partial_rotary_factor=0.5)},
        "qwen", "phi4", picture=dict(
            size={"height": 93, "width": 93}, patch_size=3, dynamic_hd=6, resample=2,
            image_mean=[0.4, 0.5, 0.6], image_std=[0.3, 0.5, 0.7]),
        dtype="bfloat16", conversations=("plain", "kinds")),
    # a table of positions of its own size; the last states; su, as the first files of Phi-3's have
    # it; the tower for sound beside the others
    "phi4_multimodal-old": Spec(
        {**TOWER, "image_size": 60, "num_hidden_layers": 2, "feature_layer": -1}, None,
        {**TEXT, "num_key_value_heads": 1, "num_hidden_layers": 3,
         "original_max_position_embeddings": 600, "rope_parameters": longrope(12, 600)},
        "qwen", "phi4", picture={**SQUARES, "dynamic_hd": 2, "do_normalize": False},
        dtype="float16", shard="60KB", old_layout=True, conversations=("several",)),
}

IMAGES = r".*image_embed\.(img_processor\.(encoder\.layers\.\d+\.(self_attn\.q_proj|mlp\.fc2)"
KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        IMAGES + r"|embeddings\.patch_embedding)|img_projection_up)"
        r"|.*model\.layers\.\d+\.(self_attn\.qkv_proj|mlp\.down_proj)")),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["qkv_proj", "fc1"],
                          modules_to_save=["img_projection_down"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["qkv_proj", "o_proj"]),
}


class Whole(Phi4MultimodalForCausalLM):
    """The model, which takes pixels by the name that all others have. Its tower attends as it is
    written: where every patch of a batch shows something, transformers 5.17 leaves the mask out,
    and sdpa then takes it for a causal one."""

    def __init__(self, config):
        config.vision_config._attn_implementation = "eager"
        super().__init__(config)

    def forward(self, input_ids=None, pixel_values=None, image_sizes=None,
                image_attention_mask=None, **more):
        if pixel_values is not None:
            more["image_pixel_values"] = pixel_values
        return super().forward(input_ids=input_ids, image_sizes=image_sizes,
                               image_attention_mask=image_attention_mask, **more)


class WithoutSound(Whole):
    """The model without what it has for sound."""

    def __init__(self, config):
        super().__init__(config)
        del self.model.embed_tokens_extend.audio_embed


def upright(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


class Phi4Multimodal(Family):
    model_type = "phi4_multimodal"
    model_class, processor_class = WithoutSound, Phi4MultimodalProcessor
    parts = {"vision_tower": "model.embed_tokens_extend.image_embed.img_processor.",
             "projector": "model.embed_tokens_extend.image_embed.",
             "language_model": ("model.", "lm_head.")}
    embedding = "model.embed_tokens.weight"
    inputs = ("input_ids", "attention_mask", "pixel_values", "image_sizes", "image_attention_mask")
    specs, kinds = SPECS, KINDS
    queries = ("qkv_proj",)
    answer = 42
    larger = Spec({**TOWER, **WIDE_TOWER}, None, {**TEXT, **WIDE_TEXT}, "qwen", "phi4",
                  picture=SQUARES)
    adapters = (("phi4_multimodal-plain", "linear", "new"),
                ("phi4_multimodal-tied", "towers", "new"),
                ("phi4_multimodal-old", "attention", "new"))
    tied = ("phi4_multimodal-tied",)
    merges = (("phi4_multimodal-tied", "towers"),)
    generates = (("phi4_multimodal-plain", "plain"), ("phi4_multimodal-tied", "plain"),
                 ("phi4_multimodal-old", "several"))
    compared = ("phi4_multimodal-plain",)
    # Of the first one's rows some reach past the trained length, and then all of a batch are turned
    # by the long factors, in transformers too.
    packs = "phi4_multimodal-tied"
    informed = ("phi4_multimodal-plain",)
    plans = {
        "phi4_multimodal": towers_plan("phi4_multimodal-plain"),
        "phi4_multimodal-recomputed": Plan(
            "phi4_multimodal-tied", "attention", gradient_checkpointing="true",
            training=dict(per_device_train_batch_size=2, max_steps=4)),
        "phi4_multimodal-full": full_plan("phi4_multimodal-plain"),
    }

    def build(self, spec, name, scratch):
        tokenizer = tokenizers_.qwen_tokenizer(tokens=NAMED.values(), **NAMED)
        token = tokenizer.convert_tokens_to_ids
        config = Phi4MultimodalConfig(
            vision_config=dict(spec.tower, image_token_id=token("<|image|>")),
            audio_config=dict(SOUND, audio_token_id=token("<|audio|>")),
            **{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 8192,
               **ids_of(tokenizer), **spec.text_options, **spec.model})
        model = (Whole if spec.old_layout else WithoutSound)(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        return model, Phi4MultimodalProcessor(
            Phi4MultimodalImageProcessor(**spec.picture), Phi4MultimodalFeatureExtractor(),
            tokenizer, chat_template=tokenizers_.TEMPLATES[spec.template])

    def load_model(self, path, spec, dtype):
        kind = Whole if spec.old_layout else WithoutSound
        return kind.from_pretrained(path, dtype=dtype).eval()

    def load_processor(self, folder):
        """Its own signature loses the template on the way from the folder's file."""
        processor = Phi4MultimodalProcessor.from_pretrained(folder)
        processor.chat_template = processor.tokenizer.chat_template
        return processor

    def gradient_names(self, checkpoint):
        return [name for name in checkpoint.stored if "audio_embed" not in name]

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        rope = config.pop("rope_parameters")
        config |= {"rope_theta": rope.pop("rope_theta"), "torch_dtype": config.pop("dtype"),
                   "partial_rotary_factor": rope.pop("partial_rotary_factor"),
                   "rope_scaling": {**rope, "type": "su"}}
        write(path / "config.json", config)
        # One file for pictures and sound.
        processor = read(path / "processor_config.json")
        write(path / "preprocessor_config.json",
              processor["audio_processor"] | processor["image_processor"] | {
                  "image_processor_type": "Phi4MultimodalImageProcessorFast",
                  "processor_class": "Phi4MultimodalProcessor"})
        (path / "processor_config.json").unlink()

    def pixels(self, inputs):
        """As they stand in a batch: without the squares that fill a picture up."""
        side = inputs["pixel_values"].shape[-1]
        return torch.cat([
            squares[:1 + int(size[0] // side) * int(size[1] // side)]
            for squares, size in zip(inputs["pixel_values"], inputs["image_sizes"])])

    def encode(self, checkpoint, messages, prompt):
        """Pictures turned as their files say: what reads paths for torchvision's processors does
        not ask for it."""
        messages = [{**message, "content": [
            {"type": "image", "image": upright(part["path"])} if "path" in part else part
            for part in message["content"]]} for message in messages]
        out = checkpoint.processor.apply_chat_template(messages, tokenize=True, return_dict=True,
                                                       return_tensors="pt",
                                                       add_generation_prompt=prompt)
        if "image_pixel_values" in out:
            out["pixel_values"] = out.pop("image_pixel_values")
        return {key: out[key] for key in self.inputs if key in out}

    def batch_pictures(self, examples):
        if not examples:
            return {}
        most = max(example["pixel_values"].shape[1] for example in examples)

        def padded(key):
            """Along a picture's squares."""
            tensors = [example[key] for example in examples]
            return torch.cat([torch.cat([tensor, tensor.new_ones(
                tensor.shape[0], most - tensor.shape[1], *tensor.shape[2:])], 1)
                for tensor in tensors])

        return {key: padded(key) for key in ("pixel_values", "image_attention_mask")} | {
            "image_sizes": torch.cat([example["image_sizes"] for example in examples])}
