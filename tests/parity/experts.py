# SPDX-License-Identifier: GPL-3.0-or-later
"""Mixtures of experts against PEFT and TRL: LoRA on their stacks by target_parameters, each alone
and both together (PEFT wraps them twice then), beside modules and the router; the loss that keeps
experts evenly used, as TRL's SFT asks a model for it."""
import json
import shutil

import torch
from safetensors.torch import load_file

import adapters
import lora_family
import lora_starts
import lora_training
import train
from checkpoints import make as make_checkpoint
from conversations import CONVERSATIONS, image, resolved, rows, text, turn, write_rows
from families.base import Plan
from families.qwen3_vl_moe import BOTH
from lora_family import setting
from measure import FORECAST
from report import LOGITS

FIRST, LAST = BOTH["target_parameters"]
SETTINGS = {
    "experts": setting([], target_parameters=[FIRST, LAST]),
    "experts-first": setting(["q_proj", "v_proj"], target_parameters=[FIRST]),
    "experts-last": setting(["o_proj"], target_parameters=[LAST], use_rslora=True,
                            rank_pattern={"down_proj": 2}, alpha_pattern={"o_proj": 3}),
    "experts-router": setting("all-linear", target_parameters=["gate.weight", FIRST, LAST], r=3,
                              rank_pattern={"gate_up_proj": 5}),
    "experts-gaussian": setting([], target_parameters=[LAST, FIRST], init_lora_weights="gaussian",
                                drawn=True),
    "router-whole": setting(["q_proj"], target_parameters=[LAST], modules_to_save=["mlp.gate"]),
    "experts-whole": setting(["q_proj", "v_proj"], modules_to_save=["experts"]),
}
COEFFICIENT = 0.3


def uneven_case(name, coefficient, told):
    """The loss of a micro-batch and all gradients, with the routers' part or without. `told`: what
    the text config says of router logits; None: it has no such field."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        base = checkpoint.path
        if told is not None:
            base = copied(checkpoint.path, world.scratch / "base", told)
        folder = lora_family.write(lora_family.start(checkpoint, "experts-router"),
                                   world.scratch / "adapter")
        messages = [resolved(row, world.inputs) for row in rows(3, without_picture=(1,))]
        write_rows(world.scratch / "rows.jsonl", messages)
        # A class of configurations with the field says it of every checkpoint.
        speaks = told is not None or hasattr(checkpoint.model().config.text_config,
                                             "output_router_logits")
        asked = coefficient if coefficient is not None else 0.001 if speaks else 0
        for again in ("false", "true"):
            path = train.recipe(world, Plan(name), train.DEFAULTS, checkpoint, folder)
            told_so = path.read_text().replace(f"model: {checkpoint.path}", f"model: {base}")
            if checkpoint.family.recipe:
                told_so = told_so.replace(checkpoint.family.recipe + "\n", "")
            told_so = told_so.replace("gradient_checkpointing: false",
                                      f"gradient_checkpointing: {again}")
            section = "" if coefficient is None else f"sft: {{router_aux_loss_coef: {coefficient}}}\n"
            path.write_text(told_so + section)
            out = world.scratch / "loss.safetensors"
            world.program.run("loss", path, "--rows", world.scratch / "rows.jsonl", "--out", out)
            got = load_file(out)
            model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder,
                                                       is_trainable=True).eval()
            model.config.text_config.router_aux_loss_coef = float(asked)
            batch = checkpoint.family.batch([checkpoint.example(row) for row in messages])
            made = model(**batch, **({"output_router_logits": True} if asked else {}))
            made.loss.backward()
            result.close("loss", got["loss"], made.loss.detach().view(1), LOGITS, "loss")
            result.same("metric.aux_loss", "metric.aux_loss" in got, bool(asked))
            if asked:
                result.close("aux_loss", got["metric.aux_loss"], made.aux_loss.detach().view(1),
                             LOGITS, "loss")
            for key, parameter in model.named_parameters():
                if parameter.requires_grad:
                    mine = "grad." + lora_family.file_key(key)
                    result.close(mine, got.get(mine), parameter.grad, lora_family.forward.GRADIENTS,
                                 "grad")
        weighed = asked * float(made.aux_loss) if asked else 1
        result.expect(weighed > 1e-4 * float(made.loss), "the case is blind: nothing is added")
    return case


def copied(folder, to, told):
    """The checkpoint with a config.json that speaks of router logits."""
    shutil.copytree(folder, to)
    config = json.loads((to / "config.json").read_text())
    config["text_config"]["output_router_logits"] = told
    (to / "config.json").write_text(json.dumps(config))
    return to


def refused_case(world, result):
    """What PEFT cannot compute there, what means nothing, and a loss of routers that are not there."""
    moe = make_checkpoint("qwen3_vl_moe-plain", world.checkpoints)
    plain = make_checkpoint("qwen3_vl-plain", world.checkpoints)
    messages = [resolved(row, world.inputs) for row in rows(2)]
    for field, told in (
            ("use_dora", dict(use_dora=True)), ("lora_bias", dict(lora_bias=True)),
            ("init_lora_weights", dict(init_lora_weights="pissa")),
            ("target_modules", dict(target_modules=["experts"], target_parameters=None)),
            ("target_modules", dict(target_modules=["gate"], target_parameters=None)),
            ("target_parameters", dict(target_parameters=["experts.up_proj"])),
            ("lora_dropout", dict(lora_dropout=0.1))):
        told = dict(target_modules=[], target_parameters=[FIRST], r=4, lora_dropout=0.0) | told
        told = {key: value for key, value in told.items() if value is not None}
        path = lora_family.recipe(world, moe, "experts", messages, told, train.DEFAULTS)
        try:
            world.program.run("plan", path, status=0)
            result.expect(False, f"{told} is taken")
        except Exception as failure:
            result.expect("exit 2" in str(failure) and field in str(failure), f"{told}: {failure}")
    path = lora_family.recipe(world, plain, "experts", messages, dict(target_modules=["q_proj"]),
                              train.DEFAULTS)
    path.write_text(path.read_text() + "sft: {router_aux_loss_coef: 0.1}\n")
    write_rows(world.scratch / "rows.jsonl", messages)
    world.program.run("loss", path, "--rows", world.scratch / "rows.jsonl", "--out",
                      world.scratch / "out.safetensors", status=2)


def greedy_case(name, kind):
    """An answer with the cache, the adapter beside its base."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        model = lora_family.start(checkpoint, kind)
        folder = lora_family.write(model, world.scratch / kind)
        inputs = checkpoint.encode(resolved(CONVERSATIONS["several"], world.inputs)[:-1],
                                   prompt=True)
        with torch.no_grad():
            wanted = model.generate(**inputs, max_new_tokens=40, do_sample=False, eos_token_id=None,
                                    pad_token_id=0)[0, inputs["input_ids"].shape[1]:].tolist()
        got = world.program.json("generate", checkpoint.path, "--input",
                                 world.inputs / "several.prompt.json", "--adapter", folder,
                                 "--max-new-tokens", 40, "--ignore-eos", "--dtype", "float32",
                                 "--device", "cpu", "--json")["results"][0]
        result.same("token_ids", got["token_ids"], wanted)
    return case


def forecast_case(name, again):
    """`plan` against the peak of a run whose pairs are on the experts alone."""
    def case(world, result):
        checkpoint = make_checkpoint(name, world.checkpoints)
        answer = text("It is a red circle left of a small blue square and " * 6)
        messages = [resolved([turn("user", image("photo.png"), text("What is it?")),
                              turn("assistant", answer)], world.inputs)] * 8
        settings = train.DEFAULTS | dict(max_steps=3, per_device_train_batch_size=4,
                                         gradient_accumulation_steps=1)
        path = lora_family.recipe(world, checkpoint, "experts", messages,
                                  dict(r=8, lora_dropout=0.0, **BOTH), settings)
        path.write_text(path.read_text().replace("gradient_checkpointing: false",
                                                 f"gradient_checkpointing: {again}"))
        foreseen = world.program.json("plan", path, "--json")["total"]
        world.program.run("train", path)
        peak = max(line["memory"]["peak"] for line in train.curve(world.scratch / "run"))
        result.facts["forecast error"] = f"{100 * (foreseen / peak - 1):+.1f} %"
        result.near("forecast", foreseen, peak, FORECAST, "forecast")
    return case


def cases(everything=False):
    lora_family.SETTINGS.update(SETTINGS)
    found = {"experts/refused": refused_case}
    for told, coefficient in ((None, None), (None, COEFFICIENT), (False, None), (True, 0)):
        found[f"experts/uneven/{told}-{coefficient}"] = uneven_case("qwen3_vl_moe-plain",
                                                                   coefficient, told)
    found["experts/uneven/mixed"] = uneven_case("qwen3_vl_moe-mixed", COEFFICIENT, None)
    for told, coefficient in ((None, None), (None, COEFFICIENT), (True, 0)):
        found[f"experts/uneven/shared-{told}-{coefficient}"] = uneven_case("qwen3_5_moe-plain",
                                                                          coefficient, told)
    found["experts/uneven/hub"] = uneven_case("qwen3_5_moe-hub", None, None)
    # Over four bits: bitsandbytes leaves experts and routers as they are.
    found["experts/experts-first/packed"] = lora_family.packed_case("qwen3_vl_moe-plain",
                                                                    "experts-first", True)
    for again in ("false", "true"):
        found[f"experts/forecast/{again}"] = forecast_case("qwen3_vl_moe-larger", again)
        found[f"experts/forecast/shared-{again}"] = forecast_case("qwen3_5_moe-larger", again)
    batch = dict(per_device_train_batch_size=3, gradient_accumulation_steps=1)
    # A router that learns may come near to where it chooses otherwise, which rounding then decides;
    # with all experts chosen it has nothing to choose.
    names = {"experts": "qwen3_vl_moe-ties", "experts-router": "qwen3_vl_moe-all"}
    for kind in SETTINGS:
        name = names.get(kind, "qwen3_vl_moe-plain")
        found[f"experts/{kind}/read"] = lora_family.read_case(name, kind, "several")
        found[f"experts/{kind}/fresh"] = lora_starts.fresh_case(name, kind)
        found[f"experts/{kind}/merge"] = lora_family.merge_case(name, kind)
        if everything or kind in ("experts", "experts-router"):
            found[f"experts/{kind}/train"] = lora_training.train_case(name, kind, batch)
            found[f"experts/{kind}/generate"] = greedy_case(name, kind)
    # Beside an expert that all tokens go through: all-linear means that one and its gate, too.
    for kind, name in (("experts-router", "qwen3_5_moe-all"), ("experts-last", "qwen3_5_moe-plain"),
                       ("experts-whole", "qwen3_5_moe-plain")):
        found[f"experts/{kind}/shared-read"] = lora_family.read_case(name, kind, "several")
        found[f"experts/{kind}/shared-fresh"] = lora_starts.fresh_case(name, kind)
        found[f"experts/{kind}/shared-merge"] = lora_family.merge_case(name, kind)
    found["experts/experts-router/shared-train"] = lora_training.train_case(
        "qwen3_5_moe-all", "experts-router", batch)
    found["experts/experts-first/shared-packed"] = lora_family.packed_case("qwen3_5_moe-plain",
                                                                           "experts-first", True)
    return found
