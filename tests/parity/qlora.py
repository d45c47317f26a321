# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten steps over a packed base as a user of transformers, bitsandbytes and PEFT runs them: the base
by BitsAndBytesConfig, the adapter by get_peft_model, the Trainer; nothing of it is replaced. A row
of METHODS is a method, a row of BASES what the base is packed as.

Tower and projector stay plain, so that columns come in whole blocks: where they do not,
bitsandbytes' kernel for CPUs and its own dequantization disagree (quantized.py says how), and no
one answer exists."""
import json

import bitsandbytes
import torch
from peft import (AdaLoraConfig, IA3Config, LoraConfig, OFTConfig, VeraConfig, get_peft_model,
                  get_peft_model_state_dict)
from safetensors.torch import load_file

import train
from checkpoints import make
from conversations import resolved, rows, write_rows
from delta_methods import TEXT, Allocates
from families.base import Plan
from quantized import by_transformers, settings

CHECKPOINT = "llava-larger"
SKIP = dict(llm_int8_skip_modules=["lm_head", "model.vision_tower", "model.multi_modal_projector"])
TARGETS = ["q_proj", "v_proj", "down_proj"]
TASK = dict(task_type="CAUSAL_LM", target_modules=TARGETS)
ADALORA = dict(init_r=6, target_r=3, tinit=1, tfinal=3, deltaT=2, total_step=10, lora_alpha=12,
               task_type="CAUSAL_LM", target_modules=TEXT)
BASES = {"nf4": ("nf4", False), "nf4-double": ("nf4", True), "fp4": ("fp4", False),
         "int8": ("int8", False)}
METHODS = {
    "lora": ("lora", lambda: LoraConfig(r=4, lora_alpha=8, **TASK)),
    "dora": ("lora", lambda: LoraConfig(r=4, lora_alpha=8, use_dora=True, **TASK)),
    "adalora": ("adalora", lambda: AdaLoraConfig(**ADALORA)),
    "ia3": ("ia3", lambda: IA3Config(feedforward_modules=["down_proj"], **TASK)),
    "oft": ("oft", lambda: OFTConfig(oft_block_size=8, **TASK)),
    "vera": ("vera", lambda: VeraConfig(r=16, **TASK)),
}
# PEFT's DoRA asks bitsandbytes' layer of eight bits for scales that its first forward has moved.
IMPOSSIBLE = {("int8", "dora")}


def case_of(base, method):
    def case(world, result):
        kind, double = BASES[base]
        strategy, config = METHODS[method]
        checkpoint = make(CHECKPOINT, world.checkpoints)
        # Where a gradient is zero but for rounding, the usual 1e-8 makes a whole step of the rest.
        chosen = train.DEFAULTS | dict(learning_rate=1e-3, adam_epsilon=1e-5)
        messages = [resolved(row, world.inputs) for row in rows(11)]
        write_rows(world.scratch / "train.jsonl", messages)
        packed = by_transformers(checkpoint, kind, double, **SKIP)
        layers = [module for module in packed.modules() if isinstance(
            module, (bitsandbytes.nn.Linear4bit, bitsandbytes.nn.Linear8bitLt))]
        result.expect(len(layers) > 10, f"the case is blind: {len(layers)} packed layers")
        result.expect(all(module.in_features % 64 == 0 for module in layers),
                      "columns of no whole blocks")
        torch.manual_seed(5)
        model = get_peft_model(packed, config())
        start = world.scratch / "start"
        model.save_pretrained(start)
        path = train.recipe(world, Plan(CHECKPOINT, strategy=strategy), chosen, checkpoint, None)
        path.write_text(path.read_text() + f"adapter: {{init_from: {start}}}\n"
                        f"quantization: {json.dumps(settings(kind, double) | SKIP)}\n")
        world.program.run("train", path)
        data = [checkpoint.example(row) for row in messages]
        log = train.trained_by_transformers(model, checkpoint.family.batch, data, [], chosen,
                                            world.scratch / "oracle",
                                            [Allocates(model)] if method == "adalora" else [])
        run = world.scratch / "run"
        train.compare_curves(result, train.curve(run), log)
        got = load_file(run / "adapter" / "adapter_model.safetensors")
        wanted = get_peft_model_state_dict(model, save_embedding_layers=False)
        if result.same("adapter tensors", sorted(got), sorted(wanted)):
            for key, tensor in wanted.items():
                result.close(key, got[key], tensor.detach(), train.WEIGHTS, "adapter")
    return case


def cases(everything=False):
    return {f"qlora/{base}/{method}": case_of(base, method)
            for base in BASES for method in METHODS
            if (base, method) not in IMPOSSIBLE
            and (everything or base == "nf4-double" or method == "lora")}
