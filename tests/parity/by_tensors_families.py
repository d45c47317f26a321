# SPDX-License-Identifier: GPL-3.0-or-later
"""`forward --tensors` of every family's checkpoints, given what their own processors make of conversations: alone, several filled up to one length, and with films. Outputs by
name, and gradients of every tensor."""
import torch
from safetensors.torch import load_file, save_file

import films
from checkpoints import make
from conversations import CONVERSATIONS, resolved
from by_tensors import own_places
from exact import Exact, close, expected
from families import FAMILIES
from forward import GRADIENTS
from report import LOGITS

BATCH = "rows together"
# Families whose class gives what is not given here.
WITHOUT = {"florence2": ("image_hidden_states",)}


def outputs(model, inputs):
    """Tensors beside logits and loss, which expected() has."""
    with torch.no_grad():
        return {key: value.float() for key, value in model(**inputs).items()
                if isinstance(value, torch.Tensor) and key not in ("logits", "loss")}


def examples(checkpoint, conversation, world):
    if conversation in films.CONVERSATIONS:
        folder = films.write_inputs(world.scratch / "films")
        return checkpoint.example(films.resolved(films.CONVERSATIONS[conversation], folder))
    if conversation != BATCH:
        return checkpoint.example(resolved(CONVERSATIONS[conversation], world.inputs))
    return checkpoint.family.batch([checkpoint.example(resolved(CONVERSATIONS[name], world.inputs)) for name in ("plain", "several")])


def tensors_case(name, conversation):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        family = checkpoint.family
        inputs = examples(checkpoint, conversation, world)
        gradients = family.gradient_names(checkpoint)
        wanted = expected(checkpoint, checkpoint.model(), inputs, gradients)
        given, out = world.scratch / "given.safetensors", world.scratch / "out.safetensors"
        save_file({key: value.contiguous() for key, value in inputs.items()}, given)
        world.program.run("forward", checkpoint.path, "--tensors", given, "--out", out, "--grad", "all", "--dtype", "float32", "--device", "cpu")
        got = load_file(out)
        exact = Exact(checkpoint, checkpoint.model, inputs, gradients)

        def near(key, value):
            """What stands in filled-up places is nobody's."""
            if key not in got:
                result.expect(False, f"{key} lacks; there are {sorted(key for key in got if not key.startswith('grad.'))}")
                return
            mine = family.shown(got[key]) if key == "logits" else got[key]
            mine, value = own_places(inputs, mine), own_places(inputs, value.float())
            rounds = mine.shape == value.shape and (mine - value).abs().max() > LOGITS * value.abs().max()
            result.close(key, mine, value, max(LOGITS, exact.allowed("logits", wanted["logits"])) if rounds else LOGITS, "outputs")

        near("logits", wanted["logits"])
        result.close("loss", got.get("loss"), wanted["loss"].float(), LOGITS, "loss")
        for key, value in outputs(checkpoint.model(), inputs).items():
            if key not in WITHOUT.get(family.model_type, ()):
                near(key, value)
        largest = max(wanted[f"grad.{key}"].abs().max().item() for key in gradients)
        for key in gradients:
            gradient = wanted[f"grad.{key}"].float()
            # What stands in pieces in the files has transformers' name in memory.
            mine = got.get(f"grad.{key}", got.get(f"grad.{family.native_name(key)}"))
            if mine is None:
                result.expect(gradient.abs().max() == 0, f"grad.{key} lacks")
            elif family.silent(key):
                result.close(f"grad.{key}", mine, gradient, GRADIENTS, "zero grad", largest)
            else:
                close(result, f"grad.{key}", mine, gradient, GRADIENTS, "grad", exact)
    return case


def cases(everything=False):
    found = {}
    for family in FAMILIES:
        for number, name in enumerate(family.specs):
            conversations = [each for each in ("plain", "several") if each in family.specs[name].conversations]
            if len(conversations) == 2 and family.pictures != "single":
                conversations.append(BATCH)
            shows = [each for each in family.film_conversations if family.films and family.has_films(name) and (family.still_films or each != "still")]
            for conversation in [*conversations, *shows]:
                if everything or (number == 0 and conversation in (conversations[-1], *shows[:1])):
                    found[f"by-tensors/{name}/{conversation.replace(' ', '-')}"] = tensors_case(name, conversation)
    return found
