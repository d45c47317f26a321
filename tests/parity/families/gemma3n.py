# SPDX-License-Identifier: GPL-3.0-or-later
"""gemma3n: MobileNet-V5's encoder from timm, a norm and a product into the text, Gemma 3n's
decoder. Marks of pictures and of sound have embeddings of their own. The tower for sound is left
out of the reference: it is left unread here."""
import copy

import torch
from timm.models._efficientnet_builder import EfficientNetBuilder, decode_arch_def
from transformers import (Gemma3nAudioConfig, Gemma3nAudioFeatureExtractor, Gemma3nConfig,
                          Gemma3nForConditionalGeneration, Gemma3nProcessor, Gemma3nTextConfig,
                          Gemma3nVisionConfig, SiglipImageProcessorPil)

import tokenizers_
from families.base import (CONVERSATIONS, WIDE_TEXT, Family, Plan, Spec, full_plan, ids_of,
                           randomise, towers_plan)
from families.gemma3n_text import (BOUNDED, FULL, OTHER, SLIDING, SMALL, finish_weights,
                                   older_positions)

# timm writes into the blocks that it is given, and they are the configuration's.
builders_call = EfficientNetBuilder.__call__
EfficientNetBuilder.__call__ = lambda self, channels, blocks: builders_call(self, channels,
                                                                            copy.deepcopy(blocks))


def tower(*stages, **more):
    """Smaller blocks of the same kinds, in timm's own shorthand."""
    return dict(model_args=dict(block_args=decode_arch_def(list(stages)), **more))


# of each stage what the published tower has: keys looked at from afar, and from each place
PLAIN = tower(["er_r1_k3_s2_e4_c8", "er_r1_k3_s1_e2_c8"],
              ["uir_r1_a3_k5_s2_e6_c16", "uir_r1_a5_k0_s1_e4_c16"],
              ["uir_r1_a5_k5_s2_e6_c24", "mqa_r1_k3_h3_v2_s1_d8_c24", "uir_r1_a0_k0_s1_e2_c24"],
              ["uir_r1_a5_k5_s2_e6_c32", "mqa_r1_k3_h4_s1_d12_c32", "uir_r1_a0_k0_s1_e1_c32"],
              stem_size=8, msfa_output_resolution=4)
# kernels at other places, a block without a way past it, squares of features pooled
KERNELS = tower(["er_r1_k5_s2_e3_c16"], ["uir_r1_a0_k5_s2_e2_c16", "uir_r1_a3_k3_s1_e2_c16_noskip"],
                ["uir_r1_a3_k0_s2_e2_c24", "mqa_r1_k5_h2_v3_s1_d16_c24", "uir_r1_a0_k0_s1_e2_c24"],
                stem_size=16, msfa_indices=[1, 3], msfa_output_resolution=4)
# sides that are odd, features between those that there are
ODD = tower(["er_r1_k3_s2_e2_c8"], ["uir_r1_a3_k3_s2_e2_c16"],
            ["uir_r1_a5_k5_s2_e2_c16", "mqa_r1_k3_h2_v2_s1_d8_c16",
             "uir_r1_a0_k0_s1_e2_c16"],
            ["uir_r1_a3_k5_s2_e2_c24", "mqa_r1_k3_h2_s1_d8_c24",
             "uir_r1_a0_k0_s1_e1_c24"], stem_size=8,
            channel_multiplier=1.5, msfa_output_resolution=3)
# all of the published tower's blocks, narrow
WHOLE = dict(model_args=dict(channel_multiplier=0.0625, msfa_output_resolution=2))
NAMED = dict(boi_token="<start_of_image>", boa_token="<start_of_audio>", eoi_token="<end_of_image>",
             image_token="<image_soft_token>", eoa_token="<end_of_audio>",
             audio_token="<audio_soft_token>")
FEW = ("plain", "several")


def sized(side):
    return dict(size=dict(height=side, width=side))


SPECS = {
    "gemma3n-plain": Spec(PLAIN, None, {**SMALL, "vocab_size_per_layer_input": 0}, "gemma",
                          "gemma3n", dict(tie_word_embeddings=True), sized(64),
                          conversations=(*CONVERSATIONS, "kinds")),
    "gemma3n-kernels": Spec({**KERNELS, "rms_norm_eps": 1e-4}, None, BOUNDED, "gemma", "gemma3n",
                            dict(tie_word_embeddings=False), {**sized(128), "resample": 3},
                            dtype="bfloat16", conversations=FEW),
    "gemma3n-odd": Spec(ODD, None, OTHER, "gemma", "gemma3n", dict(tie_word_embeddings=False),
                        {**sized(84), "do_normalize": True}, shard="100KB", conversations=FEW),
    "gemma3n-whole": Spec(WHOLE, None, SMALL, "gemma", "gemma3n", dict(tie_word_embeddings=True),
                          sized(64), conversations=("plain",)),
}

TOWERS = (r".*(vision_tower\.timm_model\.blocks\.\d+\.\d+\.(conv_pwl|pw_exp\.conv|attn\.value\.proj"
          r"|attn\.output\.proj)|embed_vision\.embedding_projection"
          r"|language_model\.layers\.\d+\.(self_attn\.q_proj|mlp\.down_proj|laurel\.linear_left))")
QUERIES = r".*language_model\.layers\.\d+\.self_attn\.[qo]_proj"
KINDS = {
    "linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "towers": dict(r=3, lora_alpha=6, target_modules=TOWERS),
    "regex": dict(r=5, lora_alpha=10, target_modules=QUERIES),
    "saved_modules": dict(r=2, lora_alpha=4, target_modules=QUERIES,
                          modules_to_save=["embed_vision"]),
}


class Gemma3n(Family):
    model_type = "gemma3n"
    model_class, processor_class = Gemma3nForConditionalGeneration, Gemma3nProcessor
    parts = {"vision_tower": "model.vision_tower.",
             "projector": ("model.embed_vision.", "model.embed_audio."),
             "language_model": ("model.language_model.", "lm_head.")}
    inputs = ("input_ids", "attention_mask", "pixel_values", "token_type_ids")
    specs, kinds = SPECS, KINDS
    larger = Spec(tower(["er_r1_k3_s2_e4_c32"], ["uir_r1_a3_k5_s2_e6_c48"],
                        ["uir_r1_a5_k5_s2_e6_c64", "mqa_r1_k3_h4_v2_s1_d16_c64",
                         "uir_r1_a0_k0_s1_e2_c64"],
                        ["uir_r1_a5_k5_s2_e6_c96", "mqa_r1_k3_h4_s1_d24_c96",
                         "uir_r1_a0_k0_s1_e2_c96"], stem_size=16,
                        msfa_output_resolution=4), None,
                  WIDE_TEXT | dict(head_dim=48, layer_types=[SLIDING, FULL] * 2,
                                   num_kv_shared_layers=2, hidden_size_per_layer_input=32,
                                   laurel_rank=16, sliding_window=64,
                                   activation_sparsity_pattern=[0.9, 0.9, 0.0, 0.0]),
                  "gemma", "gemma3n", dict(tie_word_embeddings=True), sized(64))
    adapters = (("gemma3n-plain", "linear", "new"), ("gemma3n-odd", "towers", "new"),
                ("gemma3n-kernels", "linear", "new"), ("gemma3n-plain", "saved_modules", "new"))
    tied = ("gemma3n-plain",)
    merges = (("gemma3n-odd", "towers"), ("gemma3n-kernels", "linear"))
    generates = tuple((name, conversation) for name in SPECS for conversation in FEW
                      if name != "gemma3n-whole") + (("gemma3n-plain", "words"),)
    compared = ("gemma3n-plain",)
    informed = ("gemma3n-plain", "gemma3n-kernels", "gemma3n-odd")
    tokenized = ("gemma3n-plain",)
    answer = 48
    seldom = (
        "default/gemma3n/freeze", "default/gemma3n/full", "forward/gemma3n-odd/several",
        "forecast/gemma3n/decoder",
        "forecast/gemma3n/full", "forecast/gemma3n/projector", "forecast/gemma3n/projector-alone",
        "forecast/gemma3n/tower",
        "forward/gemma3n-kernels/adapter-linear-new", "forward/gemma3n-kernels/several",
        "forward/gemma3n-plain/adapter-saved_modules-new", "forward/gemma3n-plain/kinds",
        "forward/gemma3n-plain/more", "forward/gemma3n-plain/rest", "forward/gemma3n-whole/plain",
        "generate/gemma3n-plain/plain", "generate/gemma3n-plain/rows",
        "generate/gemma3n-plain/words", "info/gemma3n-kernels", "info/gemma3n-odd",
        "merge/gemma3n-kernels/linear", "merge/gemma3n-plain/tied")
    # one micro-batch a step: transformers' Trainer means over micro-batches here, not over labels
    plans = {
        "gemma3n": towers_plan("gemma3n-odd"),
        "gemma3n-linear": Plan("gemma3n-kernels", "linear", gradient_checkpointing="true",
                               training=dict(per_device_train_batch_size=2,
                                             gradient_accumulation_steps=1, max_steps=4)),
        "gemma3n-full": full_plan("gemma3n-kernels"),
    }

    def image_token_id(self, checkpoint):
        return checkpoint.processor.tokenizer.image_token_id

    def load_processor(self, folder):
        # the choice of a backend would go to what takes sound, too
        processor = Gemma3nProcessor.from_pretrained(folder)
        processor.image_processor = SiglipImageProcessorPil.from_pretrained(folder)
        return processor

    def load_model(self, path, spec, dtype):
        return deaf(super().load_model(path, spec, dtype))

    def build(self, spec, name, scratch):
        tokenizer = tokenizers_.gemma_tokenizer(tokens=("<start_of_turn>", "<end_of_turn>"),
                                                **NAMED)
        token = tokenizer.convert_tokens_to_ids
        text = {"vocab_size": len(tokenizer) + 3, "max_position_embeddings": 2048,
                **ids_of(tokenizer), **spec.text_options, **spec.model}
        published = "vocab_size" in spec.text_options
        pictures, sound = (262144, 262272) if published else (token("<end_of_image>"),
                                                              token("<end_of_audio>"))
        # the marks have no embedding for the layers, as in the published models
        text["vocab_size_per_layer_input"] = text.get("vocab_size_per_layer_input") or pictures
        config = Gemma3nConfig(
            text_config=Gemma3nTextConfig(**text),
            vision_config=Gemma3nVisionConfig(**spec.tower, vocab_offset=pictures,
                                              vocab_size=sound - pictures),
            audio_config=Gemma3nAudioConfig(
                hidden_size=1536 if published else 16, conf_num_hidden_layers=1,
                conf_num_attention_heads=2, sscp_conv_channel_size=(8, 4), vocab_offset=sound,
                vocab_size=text["vocab_size"] - sound),
            image_token_id=token("<image_soft_token>"), audio_token_id=token("<audio_soft_token>"),
            boi_token_id=token("<start_of_image>"), eoi_token_id=pictures,
            boa_token_id=token("<start_of_audio>"), eoa_token_id=sound,
            vision_soft_tokens_per_image=spec.tower.get("model_args", {}).get(
                "msfa_output_resolution", 16) ** 2,
            **spec.model)
        model = deaf(Gemma3nForConditionalGeneration(config))
        randomise(model, seed=sum(name.encode()),
                  embedding=0.2 if config.tie_word_embeddings else 0.6)
        finish_weights(model)
        finish_tower(model, sum(name.encode()) + 1)
        return model, Gemma3nProcessor(
            Gemma3nAudioFeatureExtractor(), SiglipImageProcessorPil(
                **{"do_normalize": False, **spec.picture}),
            tokenizer, chat_template=tokenizers_.TEMPLATES[spec.template],
            image_seq_length=config.vision_soft_tokens_per_image)

    def finish(self, path, spec):
        super().finish(path, spec)
        if spec.old_layout:
            older_positions(path)


def deaf(model):
    """Without the tower for sound."""
    model.model.audio_tower = torch.nn.Identity()
    return model


def finish_tower(model, seed):
    """What scales blocks and channels is no bias."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if key.endswith((".bn.weight", ".bn1.weight", ".bn2.weight")):
                tensor.copy_(1 + 0.15 * noise)
            elif key.endswith(".gamma"):
                tensor.copy_(0.5 + 0.2 * noise)
            elif key.endswith("embedding_projection.weight"):
                tensor.copy_(0.4 * noise / tensor.shape[1] ** 0.5)
