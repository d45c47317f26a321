# SPDX-License-Identifier: GPL-3.0-or-later
"""smolvlm: a SigLIP-like tower with positions by fraction, pixel shuffle and one linear layer, any
decoder; pictures cut into tiles with the
whole picture last. `Tiled` is what idefics3 shares."""
import torch
from transformers import (LlamaConfig, SmolVLMConfig, SmolVLMForConditionalGeneration,
                          SmolVLMImageProcessorPil, SmolVLMProcessor,
                          SmolVLMVideoProcessor)

import films
import tokenizers_
from families.base import (CONVERSATIONS, LLAMA, LLAMA3_ROPE, WIDE_TEXT, WIDE_TOWER, Family, Plan,
                           Spec, full_plan, ids_of, make_tokenizer,
                           old_processor_files, randomise, read, towers_plan, write)

MARKS = ("<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
PLACES = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2,
             image_size=32, patch_size=8)
TILES = dict(size={"longest_edge": 96}, max_image_size={"longest_edge": 32})

SPECS = {
    "smolvlm-plain": Spec(TOWER, LlamaConfig, {**LLAMA, "num_key_value_heads": 2,
                                               "rope_parameters": LLAMA3_ROPE}, "qwen", "smolvlm",
                          picture=TILES, conversations=(*CONVERSATIONS, "kinds")),
    # no tokens for the places in the grid: they are text; tiles smaller than the tower's positions
    "smolvlm-text": Spec(
        {**TOWER, "image_size": 48, "hidden_act": "gelu", "layer_norm_eps": 1e-3}, LlamaConfig,
        {**LLAMA, "num_key_value_heads": 4, "rope_parameters": dict(
            rope_type="dynamic", rope_theta=1e4, factor=3.0), "max_position_embeddings": 90},
        "llama_bos", "bos_turns", picture={**TILES, "size": {"longest_edge": 70}},
        dtype="bfloat16"),
    "smolvlm-whole": Spec(
        {**TOWER, "image_size": 54, "patch_size": 6, "num_hidden_layers": 3}, LlamaConfig,
        {**LLAMA, "num_key_value_heads": 1, "attention_bias": True, "rope_parameters": dict(
            rope_type="yarn", rope_theta=1e4, factor=4.0, original_max_position_embeddings=40,
            beta_fast=16, beta_slow=2)},
        "qwen", "smolvlm", dict(tie_word_embeddings=True, scale_factor=3),
        dict(size={"longest_edge": 80}, max_image_size={"longest_edge": 54},
             do_image_splitting=False), names="native"),
    "smolvlm-old": Spec(
        {**TOWER, "image_size": 60, "patch_size": 6}, LlamaConfig,
        {**LLAMA, "num_key_value_heads": 2, "rope_parameters":
                                                                    dict(rope_type="default", rope_theta=3e5)},
        "qwen", "smolvlm", dict(scale_factor=5),
        dict(size={"longest_edge": 128}, max_image_size={"longest_edge": 60}), dtype="float16",
        shard="60KB", old_layout=True),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6,
                   target_modules=r".*(vision_model\.encoder\.layers\.\d+\.(self_attn\.(k_proj|out_proj)|mlp\.fc2)"
                                                     r"|connector\.modality_projection\.proj|text_model\.layers\.\d+\.mlp\.gate_proj)"),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=["q_proj", "fc1"],
                          modules_to_save=["connector", "lm_head"]),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}


class Tiled(Family):
    parts = {"vision_tower": "model.vision_model.", "projector": "model.connector.",
             "language_model": ("model.text_model.", "lm_head.")}
    embedding = "model.text_model.embed_tokens.weight"
    inputs = ("input_ids", "attention_mask", "pixel_values", "pixel_attention_mask")
    kinds = KINDS
    config_class = picture_class = None

    def encode(self, checkpoint, messages, prompt):
        return films.encode(self, checkpoint, messages, prompt)

    def build(self, spec, name, scratch):
        marks = MARKS if "text" in name else MARKS + PLACES
        tokenizer = make_tokenizer(spec.tokenizer, scratch, marks)
        text = {"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                **ids_of(tokenizer), **spec.text_options}
        model_options = {"scale_factor": 2, **spec.model}
        config = self.config_class(text_config=spec.text(**text), vision_config=spec.tower,
                                   pad_token_id=tokenizer.pad_token_id,
                                   image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
                                   **model_options)
        model = self.model_class(config)
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        side = spec.picture["max_image_size"]["longest_edge"] // spec.tower["patch_size"] // model_options["scale_factor"]
        template = tokenizers_.TEMPLATES[spec.template]
        return model, self.make_processor(self.picture_class(**spec.picture), tokenizer,
                                          side * side, template, spec)

    def make_processor(self, pictures, tokenizer, count, template, spec):
        return self.processor_class(pictures, tokenizer, image_seq_len=count,
                                    chat_template=template)

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            age_folder(path, self)

    def batch_pictures(self, examples):
        """Every row has as many pictures as the fullest: empty ones, which the model leaves out
        again."""
        if not examples:
            return {}
        most = max(example["pixel_values"].shape[1] for example in examples)

        def padded(key):
            return torch.cat([torch.cat([example[key],
                                         torch.zeros(1, most - example[key].shape[1],
                                                     *example[key].shape[2:],
                                                                   dtype=example[key].dtype)], 1)
                                                                   for example in examples])

        return {key: padded(key) for key in ("pixel_values", "pixel_attention_mask")}


def age_folder(path, family):
    """Rotary settings at the top level of text_config, torch_dtype, preprocessor_config.json, as
    the hub's folders have them."""
    config = read(path / "config.json")
    text = config["text_config"]
    rope = text.pop("rope_parameters")
    text |= {"rope_theta": rope["rope_theta"], "rope_scaling": None, "torch_dtype": "float16"}
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.46.0"
    write(path / "config.json", config)
    name = family.processor_class.__name__.removesuffix("Processor")
    old_processor_files(path, f"{name}ImageProcessor", f"{name}Processor")


class SmolVLM(Tiled):
    model_type = "smolvlm"
    config_class, model_class, processor_class = SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMProcessor
    picture_class = SmolVLMImageProcessorPil
    specs = SPECS
    # a film's frames go where pictures go, and a row's films are filled up to one length
    films = lone_films = True
    film_conversations = film_answers = ("film", "film")
    larger = Spec({**TOWER, **WIDE_TOWER}, LlamaConfig, WIDE_TEXT, "qwen", "smolvlm", picture=TILES)
    adapters = (("smolvlm-plain", "linear", "new"), ("smolvlm-text", "towers", "new"),
                ("smolvlm-old", "saved_modules", "new"))
    tied = ("smolvlm-whole",)
    merges = (("smolvlm-plain", "towers"), ("smolvlm-whole", "linear"),
              ("smolvlm-text", "attention"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several")) + (("smolvlm-plain", "words"),)
    compared = ("smolvlm-plain",)
    informed = ("smolvlm-plain", "smolvlm-whole", "smolvlm-old")
    plans = {
        "smolvlm": towers_plan("smolvlm-plain"),
        "smolvlm-linear": Plan("smolvlm-whole", "linear", rows=8,
                               training=dict(per_device_train_batch_size=2, shuffle=True)),
        "smolvlm-full": full_plan("smolvlm-old"),
    }

    def load_processor(self, folder):
        # the choice of a backend would go to the video processor too, which has but one
        processor = self.processor_class.from_pretrained(folder)
        processor.image_processor = self.picture_class.from_pretrained(folder)
        return processor

    def make_processor(self, pictures, tokenizer, count, template, spec):
        sizes = {key: dict(spec.picture[key]) for key in ("size", "max_image_size")}
        return self.processor_class(pictures, tokenizer, SmolVLMVideoProcessor(**sizes),
                                    image_seq_len=count, chat_template=template)
