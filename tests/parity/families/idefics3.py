# SPDX-License-Identifier: GPL-3.0-or-later
"""idefics3: smolvlm's elder, the same arithmetic under other names; here before Mistral and Qwen2
decoders."""
from transformers import (Idefics3Config, Idefics3ForConditionalGeneration,
                          Idefics3ImageProcessorPil, Idefics3Processor, LlamaConfig,
                          MistralConfig, Qwen2Config)

from families.base import LLAMA, WIDE_TEXT, WIDE_TOWER, Plan, Spec, full_plan
from families.smolvlm import TILES, TOWER, Tiled

SPECS = {
    "idefics3-llama": Spec(
        TOWER, LlamaConfig, {**LLAMA, "num_key_value_heads": 2, "mlp_bias": True,
                             "rope_parameters": dict(
            rope_type="longrope", rope_theta=1e4, factor=4.0, original_max_position_embeddings=50,
            short_factor=[1.0, 1.1, 1.2, 1.4, 1.7, 2.0],
            long_factor=[1.0, 1.5, 2.0, 3.0, 4.0, 5.0])},
        "llama_bos", "bos_turns", picture=TILES),
    "idefics3-mistral": Spec(
        {**TOWER, "num_attention_heads": 2}, MistralConfig,
        {**LLAMA, "num_key_value_heads": 1, "head_dim": 16, "sliding_window": 20}, "llama",
        "bos_turns", picture={**TILES, "do_resize": False}, dtype="bfloat16",
        conversations=("plain", "several", "korean", "words")),
    "idefics3-qwen2": Spec(
        {**TOWER, "image_size": 40}, Qwen2Config,
        {**LLAMA, "num_key_value_heads": 4, "rope_parameters": dict(
            rope_type="linear", rope_theta=1e4, factor=2.0)}, "qwen", "smolvlm",
            dict(tie_word_embeddings=True, scale_factor=1),
        {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 40},
         "do_image_splitting": False, "resample": 2}, old_layout=False,
        shard="80KB"),
}


class Idefics3(Tiled):
    model_type = "idefics3"
    config_class, model_class, processor_class = Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    picture_class = Idefics3ImageProcessorPil
    specs = SPECS
    larger = Spec({**TOWER, **WIDE_TOWER}, LlamaConfig, WIDE_TEXT, "llama_bos", "bos_turns",
                  picture=TILES)
    adapters = (("idefics3-llama", "towers", "new"), ("idefics3-qwen2", "saved_modules", "new"))
    tied = ("idefics3-qwen2",)
    merges = (("idefics3-mistral", "linear"),)
    generates = tuple((name, conversation) for name in SPECS
                      for conversation in ("plain", "several")) + (("idefics3-llama", "words"),)
    compared = ("idefics3-qwen2",)
    informed = ("idefics3-llama",)
    plans = {
        "idefics3": Plan("idefics3-llama", "linear", rows=9,
                         training=dict(per_device_train_batch_size=2, lr_scheduler_type="cosine")),
        "idefics3-full": full_plan("idefics3-mistral"),
    }
