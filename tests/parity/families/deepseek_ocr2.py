# SPDX-License-Identifier: GPL-3.0-or-later
"""deepseek_ocr2: SAM's tower over tiles and the whole picture, a Qwen2 stack whose learned queries
are what goes on, a Llama-like decoder with experts beside one that all tokens go through. A frame
is 144 or 256 tokens whatever its size: tiny ones have SAM patches of their own, apart from the
processor's."""
import functools

import peft.utils.transformers_weight_conversion as conversion
import torch
from transformers import (DeepseekOcr2Config, DeepseekOcr2ForConditionalGeneration,
                          DeepseekOcr2Processor)
from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import (
    DeepseekOcr2ImageProcessorPil)

import tokenizers_
from families.base import (LLAMA3_ROPE, WIDE_TEXT, Family, Plan, Spec, full_plan, ids_of,
                           make_tokenizer, old_processor_files, randomise, read, towers_plan, write)
from families.qwen3_5_moe import PIECE, stacked
from families.qwen3_vl_moe import BOTH

# Patches of tiles: 36 by 36, which come to 81; of the whole 49 by 49, which come to 169.
SAM = dict(hidden_size=24, output_channels=12, num_hidden_layers=3, num_attention_heads=2,
           image_size=245, patch_size=5, window_size=14, global_attn_indexes=[1], mlp_ratio=2.0,
           downsample_channels=[16, 24])
ENCODER = dict(hidden_size=24, intermediate_size=36, num_hidden_layers=2, num_attention_heads=2,
               num_key_value_heads=1, vocab_size=11)
# Both 12 by 12, which come to nine.
SMALL = {**SAM, "image_size": 144, "patch_size": 12, "window_size": 5}
TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, n_routed_experts=6, n_shared_experts=2, num_experts_per_tok=2,
            moe_intermediate_size=16, mlp_layer_types=["dense", "sparse", "sparse"])
PICTURE = dict(size=245, tile_size=180, patch_size=4)
SQUARES = dict(size=144, tile_size=144, patch_size=3)

SPECS = {
    "deepseek_ocr2-plain": Spec((SAM, ENCODER), None, TEXT, "llama_bos", "bos_turns",
                                picture=PICTURE,
                                conversations=("plain", "several", "words", "large")),
    # groups of experts, biases, a head of its own that is tied; no relative positions; a table of
    # positions that is stretched over tiles and the whole
    "deepseek_ocr2-tied": Spec(
        ({**SMALL, "use_rel_pos": False, "qkv_bias": False, "image_size": 100, "patch_size": 10,
          "num_attention_heads": 3, "layer_norm_eps": 1e-3, "mlp_dim": 40, "hidden_act": "relu"},
         {**ENCODER, "rms_norm_eps": 1e-4, "num_attention_heads": 3, "num_key_value_heads": 3}),
        None,
        {**TEXT, "n_routed_experts": 8, "num_experts_per_tok": 3, "topk_method":
         "group_limited_greedy", "n_group": 4, "topk_group": 2, "routed_scaling_factor": 1.7,
         "n_shared_experts": 1, "attention_bias": True, "mlp_bias": True,
         "mlp_layer_types": ["sparse", "dense", "sparse"], "rope_parameters": LLAMA3_ROPE},
        "llama", "vicuna", dict(tie_word_embeddings=True),
        dict(size=140, tile_size=140, patch_size=3), shard="60KB", conversations=("several",)),
    # all layers global, without a table of positions; relative ones stretched; one expert of few
    "deepseek_ocr2-old": Spec(
        ({**SMALL, "use_abs_pos": False, "window_size": 0, "image_size": 108,
          "num_hidden_layers": 2},
         {**ENCODER, "num_hidden_layers": 1, "rope_parameters": dict(rope_type="default",
                                                                    rope_theta=1e6)}), None,
        {**TEXT, "num_hidden_layers": 2, "n_routed_experts": 3, "num_experts_per_tok": 1,
         "num_key_value_heads": None, "mlp_layer_types": ["dense", "sparse"],
         "rms_norm_eps": 1e-4}, "llama", "vicuna", picture=SQUARES, dtype="float16",
        old_layout=True, conversations=("several",)),
    # no layer of the text has experts
    "deepseek_ocr2-dense": Spec(
        (SMALL, ENCODER), None,
        {**TEXT, "num_hidden_layers": 2, "mlp_layer_types": ["dense", "dense"],
         "rope_parameters": dict(rope_type="linear", factor=2.0, rope_theta=1e4)}, "qwen", "chatml",
        picture={**SQUARES, "image_mean": [0.4, 0.5, 0.6], "background_color": [10, 20, 30]},
        dtype="bfloat16", conversations=("plain",)),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_tower\.(sam_encoder\.(layers\.\d+\.(attn\.qkv|mlp\.lin2)|neck\.conv\d"
        r"|proj\.conv1|patch_embed\.projection)|vision_encoder\.layers\.\d+\.(self_attn\.q_proj"
        r"|mlp\.up_proj))|multi_modal_projector"
        r"|language_model\.layers\.\d+\.(self_attn\.k_proj|mlp\.shared_experts\.down_proj))")),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.self_attn\.[qv]_proj"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj"],
                          modules_to_save=["multi_modal_projector"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
    "experts": dict(r=2, lora_alpha=4, **BOTH),
}
PREFIXES = {    # of the files' names, behind "model."
    "sam_model.blocks.": "vision_tower.sam_encoder.layers.",
    "sam_model.patch_embed.proj.": "vision_tower.sam_encoder.patch_embed.projection.",
    "sam_model.pos_embed": "vision_tower.sam_encoder.pos_embed",
    "sam_model.neck.0.": "vision_tower.sam_encoder.neck.conv1.",
    "sam_model.neck.1.": "vision_tower.sam_encoder.neck.layer_norm1.",
    "sam_model.neck.2.": "vision_tower.sam_encoder.neck.conv2.",
    "sam_model.neck.3.": "vision_tower.sam_encoder.neck.layer_norm2.",
    "sam_model.net_2.": "vision_tower.sam_encoder.proj.conv1.",
    "sam_model.net_3.": "vision_tower.sam_encoder.proj.conv2.",
    "qwen2_model.model.model.": "vision_tower.vision_encoder.",
    "qwen2_model.query_768.": "vision_tower.query_768_resolution.",
    "qwen2_model.query_1024.": "vision_tower.query_1024_resolution.",
    "projector.layers.": "multi_modal_projector.", "view_seperator": "view_separator",
    "embed_tokens.": "language_model.embed_tokens.", "layers.": "language_model.layers.",
    "norm.": "language_model.norm."}


def left_alone(convert):
    """PEFT takes the names of an adapter that it reads through the files' renamings, one of which
    finds "model.layers." in "language_model.layers.": it loses what it wrote for the decoder."""
    @functools.wraps(convert)
    def converted(model, peft_config, adapter_state_dict, *more, **named):
        if getattr(model.config, "model_type", "") == "deepseek_ocr2":
            return adapter_state_dict
        return convert(model, peft_config, adapter_state_dict, *more, **named)
    return converted


conversion.convert_peft_adapter_state_dict_for_transformers = left_alone(
    conversion.convert_peft_adapter_state_dict_for_transformers)


class DeepseekOcr2(Family):
    model_type = "deepseek_ocr2"
    model_class, processor_class = DeepseekOcr2ForConditionalGeneration, DeepseekOcr2Processor
    parts = {"vision_tower": "model.vision_tower.",
             "projector": ("model.multi_modal_projector.", "model.view_separator"),
             "language_model": ("model.language_model.", "lm_head.")}
    inputs = ("input_ids", "attention_mask", "pixel_values", "pixel_values_local",
              "num_local_patches")
    specs, kinds = SPECS, KINDS
    native_files = False                # it takes "model.layers." in "language_model.layers.", too
    larger = Spec(({**SMALL, "hidden_size": 96, "num_attention_heads": 4, "patch_size": 6,
                    "downsample_channels": [64, 96], "output_channels": 48},
                   {**ENCODER, "hidden_size": 96, "intermediate_size": 256,
                    "num_attention_heads": 4, "num_key_value_heads": 2}), None,
                  {**TEXT, **WIDE_TEXT, "num_hidden_layers": 4, "n_routed_experts": 8,
                   "moe_intermediate_size": 128,
                   "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"]}, "llama_bos",
                  "bos_turns", picture=SQUARES)
    adapters = (("deepseek_ocr2-plain", "linear", "new"), ("deepseek_ocr2-tied", "towers", "new"),
                ("deepseek_ocr2-old", "experts", "new"))
    tied = ("deepseek_ocr2-tied",)
    merges = (("deepseek_ocr2-old", "linear"), ("deepseek_ocr2-dense", "towers"))
    generates = (("deepseek_ocr2-tied", "several"), ("deepseek_ocr2-old", "words"))
    compared = ("deepseek_ocr2-dense",)
    informed = ("deepseek_ocr2-tied",)
    plans = {
        "deepseek_ocr2": towers_plan("deepseek_ocr2-dense"),
        "deepseek_ocr2-recomputed": Plan("deepseek_ocr2-old", "attention",
                                         gradient_checkpointing="true",
                                         training=dict(per_device_train_batch_size=2, max_steps=4)),
        "deepseek_ocr2-full": full_plan("deepseek_ocr2-old"),
    }

    def native_name(self, name):
        if name.startswith("lm_head"):
            return name
        rest = name.removeprefix("model.")
        for stored, memory in PREFIXES.items():
            if rest.startswith(stored):
                rest = memory + rest.removeprefix(stored)
                break
        return "model." + rest.replace(".norm1.", ".layer_norm1.").replace(".norm2.",
                                                                            ".layer_norm2.")

    def gradient_names(self, checkpoint):
        """Pieces of stacks by their stacks' names."""
        def of(stored):
            piece = PIECE.fullmatch(stored)
            return stored if not piece else piece[1] + (
                "down_proj" if piece[3] == "down" else "gate_up_proj")
        return list(dict.fromkeys(of(stored) for stored in checkpoint.stored))

    def pixels(self, inputs):
        """As they stand in a batch: picture by picture, tiles before the whole."""
        local = inputs.get("pixel_values_local")
        parts, first = [], 0
        for whole, tiles in zip(inputs["pixel_values"], inputs["num_local_patches"].tolist()):
            if tiles:
                parts.append(local[first:first + tiles].flatten())
            parts.append(whole.flatten())
            first += tiles
        return torch.cat(parts)

    def encode(self, checkpoint, messages, prompt):
        """transformers' processor takes no text without a picture, its tokenizer does."""
        if any(part["type"] == "image" for message in messages for part in message["content"]):
            return super().encode(checkpoint, messages, prompt)
        processor = checkpoint.processor
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
        bos = processor.tokenizer.bos_token
        return dict(processor.tokenizer(text, return_tensors="pt", return_token_type_ids=False,
                                        add_special_tokens=not (bos and text.startswith(bos))))

    def batch_pictures(self, examples):
        keys = self.inputs[2:] if examples else ()
        return {key: torch.cat([example[key] for example in examples if key in example])
                for key in keys if any(key in example for example in examples)}

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch)
        sam, encoder = spec.tower
        config = DeepseekOcr2Config(
            vision_config=dict(sam_config=dict(sam), encoder_config=dict(encoder)),
            text_config={"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 4096,
                         **ids_of(tokenizer), **spec.text_options},
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"), **spec.model)
        model = DeepseekOcr2ForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        picture = dict(spec.picture)
        patch, side = picture.pop("patch_size"), picture.pop("size")
        pictures = DeepseekOcr2ImageProcessorPil(size={"height": side, "width": side}, **picture)
        return stacked(model), DeepseekOcr2Processor(
            pictures, tokenizer, chat_template=tokenizers_.TEMPLATES[spec.template],
            patch_size=patch)

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        config = read(path / "config.json")
        text = config["text_config"]
        text |= {"rope_theta": text.pop("rope_parameters")["rope_theta"],
                 "num_experts": text.pop("n_routed_experts")}
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config)
        old_processor_files(path, "DeepseekOcr2ImageProcessorFast", "DeepseekOcr2Processor")


def drawn(rng, options):
    """A checkpoint at random around a decoder's sizes: frames that SAM makes few places of, and now
    and then many of the whole."""
    count, groups = rng.choice([(4, 2), (6, 3), (8, 4), (5, 1), (9, 3)])
    each = rng.randint(1, 3)
    options |= dict(
        n_routed_experts=count, num_experts_per_tok=each,
        n_shared_experts=rng.randint(1, 3), moe_intermediate_size=8 * rng.randint(1, 3),
        routed_scaling_factor=rng.choice([1.0, 1.0, 2.5, 0.5]),
        attention_bias=rng.random() < 0.3, mlp_bias=rng.random() < 0.3,
        mlp_layer_types=[rng.choice(["dense", "sparse", "sparse"])
                         for _ in range(options["num_hidden_layers"])])
    if rng.random() < 0.4:
        options |= dict(topk_method="group_limited_greedy", n_group=groups,
                        topk_group=rng.randint(-(-each // (count // groups)), groups))
    many, heads, counted = rng.random() < 0.3, rng.choice([1, 2, 3]), rng.randint(1, 4)
    tile, whole = (rng.randint(44 * counted + 1, 48 * counted) for _ in range(2))
    patch = rng.randint(4 * counted, 12 * counted)
    if many:    # than 144 places, and then 256 queries
        counted, patch, tile, whole = 4, 5, rng.randint(177, 192), rng.randint(245, 256)
    side = whole // patch
    width = 2 * rng.randint(4, 10)
    sam = dict(hidden_size=heads * rng.randint(3, 9), num_attention_heads=heads,
               output_channels=rng.randint(4, 12), num_hidden_layers=rng.randint(1, 3),
               image_size=patch * rng.choice([side, side, tile // patch, side + 3]), patch_size=patch,
               window_size=rng.choice([0, 3, 5, 14]), global_attn_indexes=[rng.randint(0, 2)],
               mlp_ratio=rng.choice([1.5, 2.0]), downsample_channels=[rng.randint(4, 12), width],
               qkv_bias=rng.random() < 0.7, use_abs_pos=rng.random() < 0.8,
               use_rel_pos=rng.random() < 0.8, hidden_act=rng.choice(["gelu", "relu"]))
    encoder_heads = rng.choice([1, 2])
    encoder = dict(hidden_size=width, intermediate_size=rng.randint(9, 40),
                   num_hidden_layers=rng.randint(1, 2), vocab_size=5,
                   num_attention_heads=encoder_heads if width % (2 * encoder_heads) == 0 else 1,
                   num_key_value_heads=1,
                   rope_parameters=dict(rope_type="default", rope_theta=rng.choice([1e3, 1e6])))
    picture = dict(size=whole, tile_size=tile, patch_size=counted)
    model = dict(tie_word_embeddings=options.pop("tie_word_embeddings", False))
    tokenizer, template = rng.choice([("llama_bos", "bos_turns"), ("qwen", "chatml"),
                                      ("llama", "vicuna")])
    return Spec((sam, encoder), None, options, tokenizer, template, model, picture)
