# SPDX-License-Identifier: GPL-3.0-or-later
"""instructblip: BLIP-2's tower and Q-Former, which reads the instruction beside its queries by a
tokenizer and tables of its own, before Llama or OPT. Rows as blip-2's."""
import torch
from transformers import (InstructBlipConfig, InstructBlipForConditionalGeneration,
                          InstructBlipProcessor, InstructBlipQFormerConfig,
                          InstructBlipVisionConfig, LlamaConfig, OPTConfig)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

import tokenizers_
from families.base import Plan, Spec, full_plan, ids_of, make_tokenizer, towers_plan
from families.blip_2 import KINDS, QFORMER, TEXT, TOWER, Blip2, drawn
from text_encoders import wordpieces

LLAMA = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4)
PICTURES = ("plain", "korean", "large", "banner", "kinds", "rest", "more")

SPECS = {
    "instructblip-plain": Spec(TOWER, LlamaConfig, LLAMA, "llama_bos", None,
                               dict(num_query_tokens=5, qformer=QFORMER), conversations=PICTURES),
    "instructblip-opt": Spec(
        {**TOWER, "qkv_bias": False, "num_hidden_layers": 3, "hidden_act": "quick_gelu"}, OPTConfig,
        {**TEXT, "enable_bias": False, "tie_word_embeddings": False}, "opt", None,
        dict(num_query_tokens=3, qformer={**QFORMER, "cross_attention_frequency": 3,
                                          "hidden_size": 32, "hidden_act": "relu",
                                          "max_position_embeddings": 90, "layer_norm_eps": 1e-5}),
        dtype="bfloat16", conversations=("plain", "korean", "rest")),
}


class InstructBlip(Blip2):
    model_type = "instructblip"
    model_class, processor_class = InstructBlipForConditionalGeneration, InstructBlipProcessor
    embedding = "language_model.model.embed_tokens.weight"
    inputs = ("input_ids", "attention_mask", "pixel_values", "qformer_input_ids",
              "qformer_attention_mask")
    specs, kinds = SPECS, KINDS
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 3},
                  LlamaConfig, {**LLAMA, "hidden_size": 192, "intermediate_size": 512,
                                "num_hidden_layers": 4}, "llama_bos", None,
                  dict(num_query_tokens=16, qformer={**QFORMER, "hidden_size": 128,
                                                     "intermediate_size": 384}))
    adapters = (("instructblip-plain", "linear", "new"), ("instructblip-opt", "towers", "new"))
    tied = ()
    merges = (("instructblip-plain", "towers"), ("instructblip-opt", "linear"))
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "korean"))
    compared = ("instructblip-plain",)
    informed = tuple(SPECS)
    tokenized = ()
    seldom = ("forward/instructblip-plain/large", "forward/instructblip-plain/banner",
              "generate/instructblip-plain/korean", "lora/targets-instructblip")
    plans = {
        "instructblip": towers_plan("instructblip-plain", without_picture=()),
        "instructblip-recomputed": Plan("instructblip-opt", "towers",
                                        gradient_checkpointing="true",
                                        training=dict(per_device_train_batch_size=2, max_steps=4)),
        "instructblip-full": full_plan("instructblip-opt"),
    }

    def batch(self, examples):
        batch = super().batch(examples)
        for key in ("qformer_input_ids", "qformer_attention_mask"):
            longest = max(example[key].shape[1] for example in examples)
            batch[key] = torch.cat([torch.nn.functional.pad(
                example[key], (0, longest - example[key].shape[1])) for example in examples])
        return batch

    def build(self, spec, name, scratch):
        if spec.tokenizer == "opt":
            tokenizer = tokenizers_.opt_tokenizer(tokens=["<image>"])
        else:
            tokenizer = make_tokenizer(spec.tokenizer, scratch)
        words = wordpieces()
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 1024,
                            **ids_of(tokenizer), **spec.text_options})
        settings = dict(spec.model)
        qformer = InstructBlipQFormerConfig(**{"vocab_size": len(words) + 2,
                                               **settings.pop("qformer")})
        config = InstructBlipConfig(
            vision_config=InstructBlipVisionConfig(**spec.tower).to_dict(),
            qformer_config=qformer.to_dict(), text_config=text.to_dict(),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"), **settings)
        model = InstructBlipForConditionalGeneration(config)
        drawn(model, sum(name.encode()), 0.6)
        side = config.vision_config.image_size
        pictures = BlipImageProcessorPil(size={"height": side, "width": side}, **spec.picture)
        return model, InstructBlipProcessor(pictures, tokenizer, words,
                                            num_query_tokens=config.num_query_tokens)
