# SPDX-License-Identifier: GPL-3.0-or-later
"""Visual prompts (VPT) against an implementation of their own here, in hooks on the transformers
tower: PEFT has none, and refuses our folders by their peft_type. Tokens stand in front of what the
tower's first block takes; in VPT-deep each later block has new ones in their places; what leaves the
blocks is without them."""
import json

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

import forward
import generate
import train
from checkpoints import make
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families.base import Plan
from report import LOGITS

FILE = "adapter_model.safetensors"
FIRST, LATER = "prompt_embeddings", "deep_prompt_embeddings"


def tower_of(model):
    """The tower's name, the tower, what holds its blocks, and these."""
    name = "model.vision_tower" if hasattr(model.model, "vision_tower") else "model.vision_model"
    tower = model.get_submodule(name)
    if hasattr(tower, "transformer"):   # Ovis 2's, which has a head behind it
        name, tower = f"{name}.transformer", tower.transformer
    return name, tower, tower.encoder, getattr(tower.encoder, "layers",
                                               getattr(tower.encoder, "layer", None))


class Prompted(torch.nn.Module):
    """A model with tokens hooked in. Its own parameters stand still."""

    def __init__(self, model, tensors):
        super().__init__()
        self.model = model.requires_grad_(False)
        name, tower, encoder, blocks = tower_of(model)
        self.keys = {f"base_model.model.{name}.{part}": part for part in (FIRST, LATER)
                     if f"base_model.model.{name}.{part}" in tensors}
        for key, part in self.keys.items():
            self.register_parameter(part, torch.nn.Parameter(tensors[key].clone()))
        count = self.prompt_embeddings.shape[0]
        self.own = None     # tokens of a frame

        def enter(number):
            def hook(block, given, named):
                x = given[0]
                if number == 0:
                    self.own = x.shape[1]
                if number and not hasattr(self, LATER):
                    return None
                tokens = self.prompt_embeddings if number == 0 else self.deep_prompt_embeddings[
                    number - 1]
                x = torch.cat([tokens.expand(x.shape[0], -1, -1), x[:, x.shape[1] - self.own:]], 1)
                return (x, *given[1:]), named
            return hook

        def leave(module, given, out):
            out.last_hidden_state = out.last_hidden_state[:, -self.own:]
            if getattr(out, "hidden_states", None):
                out.hidden_states = tuple(x[:, -self.own:] for x in out.hidden_states)
            return out

        for number, block in enumerate(blocks):
            block.register_forward_pre_hook(enter(number), with_kwargs=True)
        encoder.register_forward_hook(leave)
        tower.register_forward_hook(leave)
        assert count > 0

    def forward(self, **inputs):
        return self.model(**inputs)

    def named(self):
        """Key on disk → parameter."""
        return {key: getattr(self, part) for key, part in self.keys.items()}


def fresh(world, checkpoint, depth, messages, count=4):
    """An adapter as our recipe makes it."""
    write_rows(world.scratch / "train.jsonl", messages)
    path = train.recipe(world, Plan(checkpoint.name, strategy="visual_prompt_tuning"),
                        train.DEFAULTS, checkpoint, None)
    told = dict(num_virtual_tokens=count, prompt_depth=depth)
    path.write_text(path.read_text() + f"adapter: {json.dumps(told)}\n")
    folder = world.scratch / "fresh"
    world.program.run("adapter", "init", path, "--out", folder)
    return folder, load_file(folder / FILE)


def drawn(folder, tensors):
    """All drawn anew, so that it shows."""
    generator = torch.Generator().manual_seed(8)
    tensors = {key: 0.8 * torch.randn(tensor.shape, generator=generator)
               for key, tensor in tensors.items()}
    save_file(tensors, folder / FILE, metadata={"format": "pt"})
    return tensors


def adapter_case(name, depth):
    """Which tensors there are and how they start; logits, loss, gradients and an answer; PEFT's
    word on the folder; no merge."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder, tensors = fresh(world, checkpoint, depth,
                                [resolved(row, world.inputs) for row in rows(3)])
        base = checkpoint.model()
        tower, module, _, blocks = tower_of(base)
        width = module.config.hidden_size
        patch = module.config.patch_size
        patch = patch[0] if isinstance(patch, list | tuple) else patch
        wanted = {f"base_model.model.{tower}.{FIRST}": [4, width]}
        if depth == "deep":
            wanted[f"base_model.model.{tower}.{LATER}"] = [len(blocks) - 1, 4, width]
        if not result.same("tensors", {key: list(tensor.shape) for key, tensor in tensors.items()},
                           wanted):
            return
        bound = (6 / (3 * patch * patch + width)) ** 0.5
        for key, tensor in tensors.items():
            largest = tensor.abs().max()
            result.expect(0.8 * bound < largest <= bound, f"{key} starts within {largest}")
        tensors = drawn(folder, tensors)
        model = Prompted(checkpoint.model(), tensors).eval()
        shown = "several" if "several" in checkpoint.spec.conversations else "plain"
        conversation = resolved(CONVERSATIONS[shown], world.inputs)
        inputs = checkpoint.example(conversation)
        out = model(**inputs)
        out.loss.backward()
        plain = base(**inputs).logits
        result.expect((out.logits - plain).abs().max() > 1e-2 * plain.abs().max(),
                      "the case is blind: its adapter changes nothing")
        got = forward.run_forward(world.program, checkpoint, world.inputs, shown,
                                  world.scratch / "out.safetensors", "--adapter", folder,
                                  gradients=("adapter",))
        result.close("logits", got["logits"], out.logits.detach(), LOGITS, "logits")
        result.close("loss", got["loss"], out.loss.detach().view(1), LOGITS, "loss")
        for key, parameter in model.named().items():
            result.close(f"grad.{key}", got.get(f"grad.{key}"), parameter.grad, forward.GRADIENTS,
                         "grad")
        prompt = checkpoint.encode(conversation[:-1], prompt=True)
        answer = generate.run_generate(world, checkpoint, shown, 8, "--adapter", folder)
        # One that has seen nothing: a dynamic rotation remembers the longest text that it met.
        unused = Prompted(checkpoint.model(), tensors).eval().model
        with torch.no_grad():
            generate.check(result, answer["results"][0], generate.greedy(
                unused, prompt, 8, generate.stop_tokens(checkpoint)))
        try:
            PeftModel.from_pretrained(checkpoint.model(), folder)
            result.expect(False, "PEFT takes the folder")
        except (ValueError, KeyError) as refusal:
            result.expect("VISUAL_PROMPT_TUNING" in str(refusal), f"PEFT says {refusal}")
        world.program.run("merge", checkpoint.path, "--adapter", folder, "--out",
                          world.scratch / "merged", status=2)
    return case


def train_case(name, depth):
    """Ten steps from one start; a row without a picture leaves the tokens alone."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        messages = [resolved(row, world.inputs) for row in rows(9, without_picture=(2,))]
        folder, tensors = fresh(world, checkpoint, depth, messages)
        tensors = drawn(folder, tensors)
        chosen = train.DEFAULTS | dict(per_device_train_batch_size=3, gradient_accumulation_steps=1,
                                       weight_decay=0.1, learning_rate=2e-2)
        model = Prompted(checkpoint.model(), tensors)
        got = train.run_from(world, result, checkpoint, "visual_prompt_tuning", folder, model,
                             messages, chosen)
        for key, parameter in model.named().items():
            result.close(key, got.get(key), parameter.detach(), train.WEIGHTS, "adapter")
            result.expect(not torch.equal(got[key], tensors[key]), f"{key} has not moved")
    return case


def refused_case(name, words):
    """Where such tokens have no place, by the recipe already."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        write_rows(world.scratch / "train.jsonl", [resolved(row, world.inputs) for row in rows(2)])
        path = train.recipe(world, Plan(name, strategy="visual_prompt_tuning"), train.DEFAULTS,
                            checkpoint, None)
        for verb in (("plan", path), ("train", path),
                     ("adapter", "init", path, "--out", world.scratch / "out")):
            try:
                world.program.run(*verb)
                result.expect(False, f"{verb[0]} takes it")
            except Exception as refusal:
                result.expect("exit 2" in str(refusal) and words in str(refusal), str(refusal))
        result.expect(not (world.scratch / "out").exists(), "something was written")
    return case


CORE = (("clip-llama", "shallow"), ("clip-llama", "deep"), ("siglip-qwen2", "deep"))
MORE = (("clip-layers", "deep"), ("siglip-llama", "shallow"), ("internvl-plain", "deep"),
        ("internvl-stretched", "shallow"), ("smolvlm-plain", "deep"), ("paligemma-plain", "shallow"),
        ("gemma3-plain", "deep"), ("llava_next-clip", "deep"),
        ("onevision-plain", "deep"), ("ovis2-plain", "deep"))


def cases(everything=False):
    found = {}
    for name, depth in CORE + (MORE if everything else MORE[2:3]):
        found[f"visual_prompts/{depth}/{name}/read"] = adapter_case(name, depth)
    trained = [(name, depth) for name, depth in CORE + MORE if "gemma" not in name]
    for name, depth in trained if everything else CORE[:2]:
        found[f"visual_prompts/{depth}/{name}/train"] = train_case(name, depth)
    for name, words in (("qwen2_vl-plain", "rows and columns"), ("qwen3_vl-plain", "windows"),
                        ("llama-plain", "no picture tower")):
        case = refused_case(name, words)
        case.pictures = not name.startswith("llama")
        found[f"visual_prompts/refused/{name}"] = case
    return found
