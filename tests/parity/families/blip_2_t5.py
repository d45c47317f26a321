# SPDX-License-Identifier: GPL-3.0-or-later
"""blip-2 before T5: the encoder reads a picture's queries and a question, and the decoder writes the
answer. Called by a name of its own here, since its rows are others than blip-2's before a decoder."""
import torch
from transformers import (Blip2Config, Blip2Processor, Blip2QFormerConfig, Blip2VisionConfig,
                          T5Config)
from transformers.image_utils import load_image
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from families.base import Plan, Spec, full_plan, towers_plan
from families.blip_2 import KINDS, QFORMER, TOWER, Blip2, drawn, joined

# transformers' cache has as many layers as the encoder: a deeper decoder cannot generate there.
TEXT = dict(d_model=48, d_kv=12, d_ff=80, num_layers=3, num_decoder_layers=2, num_heads=4,
            dropout_rate=0.0, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)

SPECS = {
    "blip_2_t5-plain": Spec(TOWER, T5Config, {**TEXT, "scale_decoder_outputs": True}, "t5", None,
                            dict(num_query_tokens=5, qformer=QFORMER),
                            conversations=("plain", "korean", "large", "banner", "kinds")),
    # T5 1.1: gated, a head of its own, states that are not scaled
    "blip_2_t5-gated": Spec(
        {**TOWER, "qkv_bias": False, "num_hidden_layers": 3}, T5Config,
        {**TEXT, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False,
         "scale_decoder_outputs": False, "num_decoder_layers": 1}, "t5", None,
        dict(num_query_tokens=3, qformer={**QFORMER, "hidden_size": 32}), dtype="bfloat16",
        conversations=("plain", "korean")),
}
T5_KINDS = {
    "linear": KINDS["linear"],
    "towers": dict(r=3, lora_alpha=6, target_modules=(
        r".*(vision_model\.encoder\.layers\.\d+\.(self_attn\.qkv|mlp\.fc2)"
        r"|qformer\.encoder\.layer\.\d+\.(attention\.attention\.query|crossattention\.attention"
        r"\.value|intermediate_query\.dense)|language_projection"
        r"|language_model\.(en|de)coder\.block\.\d+\.layer\.\d+\.(SelfAttention\.[qv]"
        r"|EncDecAttention\.k))")),
}


class Blip2T5(Blip2):
    model_type, stored_type = "blip-2-t5", "blip-2"
    embedding = "language_model.shared.weight"
    specs, kinds = SPECS, T5_KINDS
    larger = Spec({**TOWER, "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 3},
                  T5Config, {**TEXT, "d_model": 192, "d_kv": 48, "d_ff": 512}, "t5", None,
                  dict(num_query_tokens=16, qformer={**QFORMER, "hidden_size": 128,
                                                     "intermediate_size": 384}))
    two_texts = True
    queries = ("q",)
    adapters = (("blip_2_t5-plain", "linear", "new"), ("blip_2_t5-gated", "towers", "new"))
    tied = ()       # PEFT's embed_tokens are one a stack there, and not the table that they share
    merges = (("blip_2_t5-plain", "towers"), ("blip_2_t5-gated", "linear"))
    generates = tuple((name, "plain") for name in SPECS)
    compared = ("blip_2_t5-plain",)
    informed = tuple(SPECS)
    tokenized = ()
    seldom = ("forward/blip_2_t5-plain/large", "forward/blip_2_t5-plain/banner",
              "lora/targets-blip-2-t5", "hostile/blip-2-t5")
    plans = {
        "blip_2_t5": towers_plan("blip_2_t5-plain", without_picture=()),
        "blip_2_t5-recomputed": Plan("blip_2_t5-gated", "towers", gradient_checkpointing="true",
                                     # Trainer adds up the means of what it accumulates here.
                                     training=dict(per_device_train_batch_size=2, max_steps=4,
                                                   gradient_accumulation_steps=1)),
        "blip_2_t5-full": full_plan("blip_2_t5-gated"),
    }

    def encode(self, checkpoint, messages, prompt):
        pictures = [load_image(part["path"]) for part in messages[0]["content"]
                    if part["type"] == "image"]
        out = checkpoint.processor(text=[joined(messages[0])], images=pictures,
                                   return_tensors="pt")
        return {key: out[key] for key in self.inputs}

    def example(self, checkpoint, messages):
        labels = checkpoint.processor.tokenizer(joined(messages[1]), return_tensors="pt")
        return checkpoint.encode(messages) | {"labels": labels["input_ids"]}

    def batch(self, examples):
        """Either text padded to its own longest."""
        def pad(key, value):
            longest = max(example[key].shape[1] for example in examples)
            return torch.cat([torch.nn.functional.pad(
                example[key], (0, longest - example[key].shape[1]), value=value)
                for example in examples])
        return {"input_ids": pad("input_ids", 0), "attention_mask": pad("attention_mask", 0),
                "labels": pad("labels", -100),
                "pixel_values": torch.cat([example["pixel_values"] for example in examples])}

    def silent(self, name):
        return name.endswith("attention.key.bias")

    def build(self, spec, name, scratch):
        # Where it is called, since the module's own imports lead back here.
        from encoder_decoders import tokenizer as t5_tokenizer
        tokenizer = t5_tokenizer()
        tokenizer.add_tokens(["<image>"], special_tokens=True)
        text = spec.text(**{"vocab_size": len(tokenizer) + 3, **spec.text_options})
        settings = dict(spec.model)
        qformer = Blip2QFormerConfig(**settings.pop("qformer"))
        config = Blip2Config(vision_config=Blip2VisionConfig(**spec.tower).to_dict(),
                             qformer_config=qformer.to_dict(), text_config=text.to_dict(),
                             image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
                             **settings)
        model = self.model_class(config)
        drawn(model, sum(name.encode()), 0.6)
        with torch.no_grad():   # whose scores nothing divides
            for key, parameter in model.language_model.named_parameters():
                if key.endswith(".q.weight"):
                    parameter.mul_(0.35)
        side = config.vision_config.image_size
        pictures = BlipImageProcessorPil(size={"height": side, "width": side}, **spec.picture)
        return model, Blip2Processor(pictures, tokenizer,
                                     num_query_tokens=config.num_query_tokens)
