# SPDX-License-Identifier: GPL-3.0-or-later
"""mllama: pictures that never enter the sequence, cross-attention layers in a Llama decoder, a tower
for tiles. In a batch transformers lets the tokens before a row's first mark see what fills other
rows' pictures up, and takes no row without a picture: the oracle's rows are alone."""
import functools
import types

import torch
from transformers import MllamaConfig, MllamaForConditionalGeneration, MllamaProcessor
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.models.mllama.configuration_mllama import MllamaTextConfig
from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

import tokenizers_
from families.base import (LLAMA, LLAMA3_ROPE, WIDE_TEXT, Family, Plan, Spec,
                           full_plan, ids_of, make_tokenizer, old_processor_files, randomise, read,
                           towers_plan, write)

TOWER = dict(hidden_size=32, intermediate_size=56, num_hidden_layers=3, num_global_layers=2,
             attention_heads=4, image_size=24, patch_size=8, intermediate_layers_indices=[0, 2],
             vision_output_dim=96)
TEXT = {**LLAMA, "num_hidden_layers": 5, "num_key_value_heads": 2,
        "cross_attention_layers": [1, 3],
        "rope_parameters": dict(rope_type="default", rope_theta=1e4)}
SPECS = {
    # the mark is one past the vocabulary, as in the published folders
    "mllama-plain": Spec(TOWER, MllamaTextConfig, TEXT, "llama_bos", "llama3",
                         conversations=("plain", "several", "more", "words")),
    # two tiles, marks before all text and no first token, cross-attention last
    "mllama-marks": Spec(
        {**TOWER, "image_size": 28, "patch_size": 7, "attention_heads": 2, "max_num_tiles": 2,
         "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]], "hidden_act": "quick_gelu",
         "intermediate_layers_indices": [-1], "vision_output_dim": 64, "norm_eps": 1e-3},
        MllamaTextConfig, {**TEXT, "num_hidden_layers": 3, "num_key_value_heads": 4,
                           "cross_attention_layers": [2], "rope_parameters": LLAMA3_ROPE,
                           "hidden_act": "gelu"},
        "llama_bos", "marks_first", {"token_within": True},
        dict(max_image_tiles=2, resample=3, image_mean=[0.4, 0.5, 0.6]),
        dtype="bfloat16", names="native", conversations=("plain", "several")),
    "mllama-old": Spec(
        {**TOWER, "num_global_layers": 1, "num_hidden_layers": 2, "max_num_tiles": 6,
         "supported_aspect_ratios": [[rows, columns] for rows in range(1, 7)
                                     for columns in range(1, 7) if rows * columns <= 6],
         "intermediate_layers_indices": [1, 0, 1], "vision_output_dim": 128},
        MllamaTextConfig, {**TEXT, "num_hidden_layers": 4, "num_key_value_heads": 1,
                           "cross_attention_layers": [1, 2, 9], "rope_parameters": LLAMA3_ROPE},
        "llama_bos", "llama3", {}, dict(max_image_tiles=6), dtype="float16", old_layout=True,
        shard="60KB", conversations=("several",)),
}

KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_model\.(global_)?transformer\.layers\.\d+\.(self_attn\.q_proj|mlp\.fc1)"
        r"|multi_modal_projector"
        r"|language_model\.layers\.\d+\.(cross_attn\.k_proj|self_attn\.v_proj|mlp\.down_proj))")),
    "regex": dict(r=5, lora_alpha=10,
                  target_modules=r".*language_model\.layers\.\d+\.(cross|self)_attn\.[qv]_proj"),
    "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
}
PICTURES = ("pixel_values", "aspect_ratio_ids", "aspect_ratio_mask", "cross_attention_mask")


def rows_alone(model, input_ids=None, attention_mask=None, labels=None, **inputs):
    """In the place of a model's forward: each row of a batch goes through by itself, as long as it
    is and with its own pictures."""
    forward = functools.partial(type(model).forward, model)
    if input_ids is None or input_ids.shape[0] == 1:
        return forward(input_ids=input_ids, attention_mask=attention_mask, labels=labels, **inputs)
    pictures = {key: inputs.pop(key) for key in PICTURES if key in inputs}
    inputs.pop("use_cache", None)
    rows = []
    for row, length in enumerate(attention_mask.sum(1).tolist()):
        own = {}
        count = int((pictures["aspect_ratio_ids"][row] > 0).sum()) if pictures else 0
        if count:
            own = {key: pictures[key][row:row + 1, :count] for key in PICTURES[:3]}
            own["cross_attention_mask"] = pictures["cross_attention_mask"][row:row + 1, :length,
                                                                           :count]
        rows.append(forward(input_ids=input_ids[row:row + 1, :length],
                            attention_mask=attention_mask[row:row + 1, :length],
                            use_cache=False, **own).logits)
    out = CausalLMOutputWithPast(logits=torch.cat([torch.nn.functional.pad(
        one, (0, 0, 0, input_ids.shape[1] - one.shape[1])) for one in rows]))
    if labels is not None:
        out.loss = model.loss_function(out.logits, labels, out.logits.shape[-1], **inputs)
    return out


class Mllama(Family):
    model_type = "mllama"
    model_class, processor_class = MllamaForConditionalGeneration, MllamaProcessor
    parts = {"vision_tower": "model.vision_model.", "projector": "model.multi_modal_projector.",
             "language_model": ("model.language_model.", "lm_head.")}
    inputs = ("input_ids", "attention_mask", *PICTURES)
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "image_size": 56,
                   "vision_output_dim": 288}, MllamaTextConfig,
                  {**WIDE_TEXT, "cross_attention_layers": [1]}, "llama_bos", "llama3")
    adapters = (("mllama-plain", "linear", "new"), ("mllama-marks", "towers", "new"),
                ("mllama-old", "regex", "old"))
    merges = (("mllama-marks", "linear"),)
    generates = (("mllama-plain", "several"), ("mllama-marks", "plain"))
    compared = ("mllama-plain",)
    informed = ("mllama-old",)
    plans = {
        "mllama": towers_plan("mllama-plain"),
        "mllama-recomputed": Plan("mllama-marks", "towers", gradient_checkpointing="true",
                                  training=dict(per_device_train_batch_size=2, max_steps=4)),
        "mllama-full": full_plan("mllama-old"),
    }

    def build(self, spec, name, scratch):
        tokenizer = make_tokenizer(spec.tokenizer, scratch, ("<|image|>",))
        within = spec.model.get("token_within", False)
        text = spec.text(**{"vocab_size": len(tokenizer) + (3 if within else -1),
                            "max_position_embeddings": 2048, **ids_of(tokenizer),
                            **spec.text_options})
        config = MllamaConfig(vision_config=dict(spec.tower), text_config=text.to_dict(),
                              image_token_index=tokenizer.convert_tokens_to_ids("<|image|>"))
        model = MllamaForConditionalGeneration(config)
        randomise(model, seed=sum(name.encode()))
        generator = torch.Generator().manual_seed(len(name))
        with torch.no_grad():   # gates that let through enough to be seen
            for key, parameter in model.named_parameters():
                if parameter.shape == (1,):
                    parameter.copy_(0.7 + 0.3 * torch.randn(1, generator=generator))
        side = config.vision_config.image_size
        pictures = MllamaImageProcessorPil(size={"height": side, "width": side}, **spec.picture)
        return model, MllamaProcessor(pictures, tokenizer,
                                      chat_template=tokenizers_.TEMPLATES[spec.template])

    def load_model(self, path, spec, dtype):
        model = super().load_model(path, spec, dtype)
        model.forward = types.MethodType(rows_alone, model)
        return model

    def native_name(self, name):
        if name.startswith(("language_model.lm_head", "lm_head")):
            return "lm_head.weight"
        return "model." + name.removeprefix("model.").replace("language_model.model.",
                                                              "language_model.")

    def older_key(self, name):
        """A module's name as transformers before 4.52 had it."""
        if name.startswith("lm_head"):
            return "language_model." + name
        return name.removeprefix("model.").replace("language_model.", "language_model.model.", 1)

    def older_pattern(self, pattern):
        return pattern.replace(r"language_model\.layers", r"language_model\.model\.layers")

    def finish(self, path, spec):
        super().finish(path, spec)
        if not spec.old_layout:
            return
        # as the hub has them: rotary settings at the decoder's top level
        config = read(path / "config.json")
        text = config["text_config"]
        rope = text.pop("rope_parameters")
        text |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": rope,
                 "torch_dtype": "float16"}
        config["torch_dtype"] = config.pop("dtype")
        write(path / "config.json", config | {"transformers_version": "4.45.0.dev0"})
        old_processor_files(path, "MllamaImageProcessor", "MllamaProcessor")

    def batch_pictures(self, examples):
        return {}

    def batch(self, examples):
        batch = super().batch(examples)
        most = max((example["pixel_values"].shape[1] for example in examples
                    if "pixel_values" in example), default=0)
        if most == 0:
            return batch
        length = batch["input_ids"].shape[1]
        sample = next(example for example in examples if "pixel_values" in example)

        def padded(example, key):
            """Up to the most pictures of a row, and to the longest row."""
            shape = list(sample[key].shape)
            shape[-2 if key == "cross_attention_mask" else 1] = most
            if key == "cross_attention_mask":
                shape[1] = length
            whole = sample[key].new_zeros(shape)
            if key in example:
                whole[tuple(slice(0, side) for side in example[key].shape)] = example[key]
            return whole

        return batch | {key: torch.cat([padded(example, key) for example in examples])
                        for key in PICTURES}
