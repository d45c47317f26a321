# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws configurations of PEFT's methods at random: every field that a person might set, in a
model of any family, on modules that are named in any way that PEFT takes. random_methods.py holds
them against luthier-cli. What PEFT refuses is drawn anew there."""
import re
from dataclasses import dataclass, field

import torch
from peft import (AdaLoraConfig, BOFTConfig, FourierFTConfig, HRAConfig, IA3Config, LNTuningConfig,
                  LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, PrefixTuningConfig,
                  PromptEncoderConfig, PromptEncoderReparameterizationType, PromptTuningConfig,
                  TrainableTokensConfig, VeraConfig)
from transformers.pytorch_utils import Conv1D

WIDTHS = (1, 2, 3, 4, 5, 8)


@dataclass
class Drawn:
    """One configuration. `config` are the arguments of PEFT's class; what a recipe's adapter
    section says is made of it."""
    strategy: str
    kind: type
    config: dict
    spread: float = 0.3         # how far its tensors are moved from where PEFT starts them
    learning_rate: float = 2e-3
    told: list = field(default_factory=list)

    def make(self):
        given = dict(self.config)
        if encoder := given.get("encoder_reparameterization_type"):
            given["encoder_reparameterization_type"] = PromptEncoderReparameterizationType(encoder)
        return self.kind(**given, task_type="CAUSAL_LM")

    def recipe(self):
        """The adapter section of a recipe that says the same."""
        section = {key: value for key, value in self.config.items()
                   if key not in ("fan_in_fan_out", "tokenizer_name_or_path")}
        section |= section.pop("loftq_config", {})
        return section

    def drops(self):
        """Whether its training draws what no other program can repeat."""
        return any(self.config.get(key) for key in (
            "lora_dropout", "vera_dropout", "boft_dropout", "rank_dropout", "module_dropout",
            "encoder_dropout"))


class Places:
    """What a model has to hang an adapter on."""

    def __init__(self, model, family):
        self.family, self.linears, self.norms, self.convolutions = family, [], [], []
        for name, module in model.named_modules():
            kind = type(module).__name__
            if isinstance(module, torch.nn.Linear | Conv1D):
                self.linears.append(name)
            elif isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d):
                self.convolutions.append(name)
            elif "Norm" in kind and list(module.parameters(recurse=False)):
                self.norms.append(name)
        self.embedding = family.embedding.removesuffix(".weight")
        self.vocabulary = model.get_input_embeddings().weight.shape[0]
        self.head = "lm_head"
        self.layers = 1 + max(int(number) for name in self.linears
                              for number in re.findall(r"\.(\d+)\.", name))
        self.model_type = family.model_type

    def part(self, name):
        return next((part for part, prefixes in self.family.parts.items()
                     if name.startswith(prefixes)), "")

    def of(self, part, names):
        return [name for name in names if self.part(name + ".") == part]


def ending(name, least=1):
    """The end of a name by which it can be called: more of it where that is a number."""
    words = name.split(".")
    while least < len(words) and words[-least].isdigit():
        least += 1
    return ".".join(words[-least:])


def some(rng, items, most=4):
    items = sorted(set(items))
    return rng.sample(items, rng.randint(1, min(most, len(items))))


def maybe(rng, chance, config, key, draw):
    if rng.random() < chance:
        config[key] = draw()


def drawn_targets(rng, places, names=None, all_linear=True):
    """target_modules in one of the ways that PEFT takes, and whether they are a list."""
    linears = [name for name in names or places.linears if name != places.head]
    area = rng.choice(["language_model", "language_model", "vision_tower", "projector", "all"])
    found = places.of(area, linears) if area != "all" else linears
    found = found or linears
    way = rng.random()
    if way < 0.15 and all_linear and names is None:
        return "all-linear"
    if way < 0.3:
        ends = "|".join(re.escape(ending(name)) for name in some(rng, found))
        prefixes = places.family.parts.get(area, "")
        prefix = prefixes if isinstance(prefixes, str) else prefixes[0]
        if area == "all" or not prefix:
            return rf".*\.({ends})"
        return rf"{re.escape(prefix)}.*\.({ends})" if rng.random() < 0.5 else (
            rf".*{re.escape(prefix.rstrip('.').split('.')[-1])}.*({ends})")
    if way < 0.4:
        return some(rng, found, 6)                                  # whole names
    if way < 0.5:
        return [ending(name, 2) for name in some(rng, found)]       # self_attn.q_proj
    return sorted({ending(name) for name in some(rng, found, 8)})


def matched(targets, names):
    """The names that targets choose, as PEFT matches them."""
    if targets == "all-linear":
        return list(names)
    if isinstance(targets, str):
        return [name for name in names if re.fullmatch(targets, name)]
    return [name for name in names
            if any(name == each or name.endswith("." + each) for each in targets)]


def of_modules(rng, places, config, layers=True, exclude=True, names=None, all_linear=True):
    """What nearly all methods of modules have: targets, what is left out, layers, whole modules."""
    config["target_modules"] = targets = drawn_targets(rng, places, names, all_linear)
    found = matched(targets, names or places.linears)
    if exclude and len(found) > 2:
        maybe(rng, 0.15, config, "exclude_modules", lambda: rng.choice([
            [ending(rng.choice(found), 2)], [rng.choice(found)], r".*\.0\..*",
            rf".*{re.escape(ending(rng.choice(found)))}"]))
    if layers and isinstance(targets, list) and rng.random() < 0.2:
        numbers = [int(number) for name in found
                   for number in re.findall(r"\.[^.]*\.(\d+)\.", name)[:1]]
        if numbers:
            chosen = some(rng, numbers, 2)
            config["layers_to_transform"] = chosen[0] if rng.random() < 0.4 else chosen
            before = [word for name in found for word in re.findall(r"([^.]+)\.\d+\.", name)[:1]]
            maybe(rng, 0.5, config, "layers_pattern", lambda: rng.choice(
                [rng.choice(before), [rng.choice(before)], sorted(set(before))]))
    if rng.random() < 0.15:
        config["modules_to_save"] = saved_modules(rng, places)
    if isinstance(targets, list) and found and rng.random() < 0.05:
        config["target_modules"] = targets + ["query"]      # of another model, as lists often have
    return found


def saved_modules(rng, places):
    projector = places.of("projector", places.linears)
    choices = [[places.head], ["norm"], [ending(rng.choice(places.norms))]]
    if projector:
        choices += [[ending(rng.choice(projector))], [projector[0].split(".")[1]]]
    return rng.choice(choices)


def biases(rng, config, own):
    maybe(rng, 0.2, config, "bias", lambda: rng.choice(["all", own]))


def patterns(rng, found, values):
    """A dictionary of patterns as rank_pattern is: ends of names, expressions, whole names."""
    chosen = some(rng, found, 2)
    made = {}
    for name in chosen:
        key = rng.choice([ending(name), ending(name, 2), name, "^" + re.escape(name),
                          r".*\d+\..*" + re.escape(ending(name))])
        made[key] = rng.choice(values)
    return dict(sorted(made.items()))       # as PEFT writes them; the first that matches counts


def draw_lora(rng, places):
    config = dict(r=rng.choice([1, 2, 4, 5, 8, 16]), lora_alpha=rng.choice([1, 2, 8, 16, 24, 5]),
                  lora_dropout=rng.choice([0.0, 0.0, 0.0, 0.0, 0.1]))
    found = of_modules(rng, places, config)
    if isinstance(config["target_modules"], list) and "layers_to_transform" not in config:
        more = rng.random()
        if more < 0.1:
            config["target_modules"] = config["target_modules"] + ["embed_tokens"]
        elif more < 0.17:
            config["target_modules"] = config["target_modules"] + ["lm_head"]
        elif more < 0.25 and places.convolutions:
            config["target_modules"] = config["target_modules"] + [
                ending(rng.choice(places.convolutions), 2)]
    maybe(rng, 0.25, config, "use_rslora", lambda: True)
    biases(rng, config, "lora_only")
    start = rng.random()
    if start < 0.5:
        config["init_lora_weights"] = rng.choice(
            [False, "gaussian", "pissa", "olora", "orthogonal", "loftq", "eva",
             "mica"])
        if config["init_lora_weights"] == "loftq":
            config["loftq_config"] = dict(loftq_bits=rng.choice([4, 8]),
                                          loftq_iter=rng.choice([1, 2]))
        if config["init_lora_weights"] == "orthogonal":
            config["r"] += config["r"] % 2
    maybe(rng, 0.2, config, "use_dora", lambda: True)
    maybe(rng, 0.12, config, "lora_bias", lambda: True)
    if found:
        maybe(rng, 0.25, config, "rank_pattern", lambda: patterns(rng, found, [2, 3, 6]))
        maybe(rng, 0.25, config, "alpha_pattern", lambda: patterns(rng, found, [1, 4, 9, 2.5]))
    if rng.random() < 0.15:
        tokens = rng.sample(range(places.vocabulary), rng.randint(1, 9))
        config["trainable_token_indices"] = rng.choice(
            [tokens, sorted(tokens), {"embed_tokens": tokens}, {"lm_head": tokens}])
    maybe(rng, 0.12, config, "ensure_weight_tying", lambda: True)
    if rng.random() < 0.08:
        config["target_parameters"] = [ending(name) + ".weight" for name in some(
            rng, places.of("language_model", places.linears), 2) if name != places.head]
        if rng.random() < 0.6:
            config["target_modules"] = rng.choice([None, []])
        config["lora_dropout"] = 0.0
    elif rng.random() < 0.06:
        config["alora_invocation_tokens"] = rng.sample(range(5, places.vocabulary), 2)
    return Drawn("lora", LoraConfig, config)


def draw_adalora(rng, places):
    first = rng.choice([3, 4, 6, 12])
    config = dict(init_r=first, target_r=rng.randint(1, first - 1), tinit=rng.choice([0, 1, 2]),
                  tfinal=rng.choice([0, 1, 3]), deltaT=rng.choice([1, 2, 3]), total_step=10,
                  lora_alpha=rng.choice([8, 12, 3]))
    of_modules(rng, places, config)
    maybe(rng, 0.3, config, "beta1", lambda: rng.choice([0.5, 0.9]))
    maybe(rng, 0.3, config, "beta2", lambda: rng.choice([0.6, 0.95]))
    maybe(rng, 0.3, config, "orth_reg_weight", lambda: rng.choice([0.0, 0.1, 1.0]))
    maybe(rng, 0.15, config, "init_lora_weights", lambda: False)
    biases(rng, config, "lora_only")
    maybe_convolution(rng, places, config)
    return Drawn("adalora", AdaLoraConfig, config)


def draw_vera(rng, places):
    config = dict(r=rng.choice([1, 4, 12, 64]), d_initial=rng.choice([0.1, 0.3, 1.0]),
                  projection_prng_key=rng.choice([0, 3, 12345]))
    of_modules(rng, places, config, exclude=False)
    maybe(rng, 0.3, config, "save_projection", lambda: False)
    maybe(rng, 0.1, config, "vera_dropout", lambda: 0.1)
    maybe(rng, 0.1, config, "init_weights", lambda: False)
    biases(rng, config, "vera_only")
    return Drawn("vera", VeraConfig, config)


def maybe_convolution(rng, places, config):
    if places.convolutions and isinstance(config["target_modules"], list) and rng.random() < 0.1:
        config["target_modules"] = config["target_modules"] + [
            ending(rng.choice(places.convolutions), 2)]


def lycoris(rng, places, config):
    found = of_modules(rng, places, config)
    if found:
        maybe(rng, 0.25, config, "rank_pattern", lambda: patterns(rng, found, [2, 3]))
        maybe(rng, 0.25, config, "alpha_pattern", lambda: patterns(rng, found, [1, 5, 2.5]))
    maybe(rng, 0.08, config, "rank_dropout", lambda: 0.2)
    maybe(rng, 0.08, config, "module_dropout", lambda: 0.2)
    maybe(rng, 0.15, config, "use_effective_conv2d", lambda: True)
    maybe_convolution(rng, places, config)


def draw_loha(rng, places):
    config = dict(r=rng.choice([1, 2, 4, 8]), alpha=rng.choice([1, 4, 8, 6]))
    lycoris(rng, places, config)
    maybe(rng, 0.2, config, "init_weights", lambda: False)
    return Drawn("loha", LoHaConfig, config)


def draw_lokr(rng, places):
    config = dict(r=rng.choice([1, 2, 4, 8, 64]), alpha=rng.choice([1, 4, 8, 6]))
    lycoris(rng, places, config)
    maybe(rng, 0.3, config, "init_weights", lambda: rng.choice([False, "lycoris"]))
    maybe(rng, 0.3, config, "decompose_both", lambda: True)
    maybe(rng, 0.4, config, "decompose_factor", lambda: rng.choice([2, 3, 4, 8, 16]))
    maybe(rng, 0.2, config, "rank_dropout_scale", lambda: True)
    return Drawn("lokr", LoKrConfig, config)


def draw_ia3(rng, places):
    config = {}
    found = of_modules(rng, places, config, layers=False)
    targets = config["target_modules"]
    if isinstance(targets, list):
        config["feedforward_modules"] = rng.choice(
            [[], rng.sample(targets, rng.randint(0, len(targets))), rng.sample(targets, 1)])
    else:
        config["feedforward_modules"] = rng.choice(
            [[], r".*(down_proj|fc2)", [ending(name) for name in some(rng, found or ["x"], 2)]])
    maybe_convolution(rng, places, config)
    maybe(rng, 0.15, config, "init_ia3_weights", lambda: False)
    return Drawn("ia3", IA3Config, config, learning_rate=1e-2)


def draw_oft(rng, places):
    config = {}
    if rng.random() < 0.3:
        config |= dict(r=rng.choice([1, 2, 4]), oft_block_size=0)
    else:
        config |= dict(oft_block_size=rng.choice([2, 4, 6, 8, 11, 16, 32]))
    of_modules(rng, places, config)
    maybe(rng, 0.25, config, "coft", lambda: True)
    maybe(rng, 0.25, config, "eps", lambda: rng.choice([1e-3, 0.1]))
    maybe(rng, 0.25, config, "block_share", lambda: True)
    maybe(rng, 0.4, config, "use_cayley_neumann", lambda: False)
    maybe(rng, 0.3, config, "num_cayley_neumann_terms", lambda: rng.choice([1, 2, 3, 7]))
    maybe(rng, 0.1, config, "module_dropout", lambda: 0.1)
    maybe(rng, 0.1, config, "init_weights", lambda: False)
    biases(rng, config, "oft_only")
    return Drawn("oft", OFTConfig, config, spread=0.05)


def draw_boft(rng, places):
    config = {}
    if rng.random() < 0.4:
        config |= dict(boft_block_size=0, boft_block_num=rng.choice([1, 2, 4, 8]))
    else:
        config |= dict(boft_block_size=rng.choice([2, 4, 8]))
    of_modules(rng, places, config)
    maybe_convolution(rng, places, config)
    maybe(rng, 0.4, config, "boft_n_butterfly_factor", lambda: rng.choice([1, 2, 3]))
    maybe(rng, 0.1, config, "boft_dropout", lambda: 0.1)
    maybe(rng, 0.1, config, "init_weights", lambda: False)
    biases(rng, config, "boft_only")
    return Drawn("boft", BOFTConfig, config, spread=0.1)


def draw_hra(rng, places):
    config = dict(r=rng.choice([1, 2, 3, 4, 8]))
    of_modules(rng, places, config)
    maybe_convolution(rng, places, config)
    maybe(rng, 0.4, config, "apply_GS", lambda: True)
    maybe(rng, 0.1, config, "init_weights", lambda: False)
    biases(rng, config, "hra_only")
    return Drawn("hra", HRAConfig, config)


def draw_fourierft(rng, places):
    config = dict(n_frequency=rng.choice([1, 20, 100]), scaling=rng.choice([5.0, 20.0, 150.0]))
    found = of_modules(rng, places, config)
    maybe(rng, 0.4, config, "random_loc_seed", lambda: rng.choice([0, 1, 99]))
    if found:
        maybe(rng, 0.3, config, "n_frequency_pattern", lambda: patterns(rng, found, [7, 60]))
    maybe(rng, 0.3, config, "init_weights", lambda: True)
    biases(rng, config, "fourier_only")
    return Drawn("fourierft", FourierFTConfig, config, learning_rate=1e-3)


def draw_ln_tuning(rng, places):
    config = {}
    of_modules(rng, places, config, layers=False, names=places.norms, all_linear=False)
    return Drawn("ln_tuning", LNTuningConfig, config)


def draw_trainable_tokens(rng, places):
    tokens = rng.sample(range(places.vocabulary), rng.randint(1, 12))
    config = dict(token_indices=tokens)
    maybe(rng, 0.7, config, "target_modules", lambda: rng.choice(
        [["embed_tokens"], "embed_tokens", places.embedding, [places.embedding], ["lm_head"]]))
    maybe(rng, 0.1, config, "init_weights", lambda: False)
    return Drawn("trainable_tokens", TrainableTokensConfig, config)


def draw_prefix_tuning(rng, places):
    config = dict(num_virtual_tokens=rng.choice(WIDTHS))
    if rng.random() < 0.5:
        config |= dict(prefix_projection=True)
        maybe(rng, 0.6, config, "encoder_hidden_size", lambda: rng.choice([5, 12, 40]))
    else:
        maybe(rng, 0.2, config, "init_weights", lambda: "zero")
    return Drawn("prefix_tuning", PrefixTuningConfig, config, spread=0.5, learning_rate=1e-2)


def draw_prompt_tuning(rng, places):
    config = dict(num_virtual_tokens=rng.choice(WIDTHS))
    way = rng.choice(["RANDOM", "RANDOM", "SAMPLE_VOCAB", "TEXT"])
    config["prompt_tuning_init"] = way
    if way == "TEXT":
        config |= dict(prompt_tuning_init_text=rng.choice(
            ["Describe the picture.", "빨간 원", "How many shapes are there in the picture? " * 3]),
                       tokenizer_name_or_path="CHECKPOINT")
    return Drawn("prompt_tuning", PromptTuningConfig, config, spread=0.4, learning_rate=1e-2)


def draw_p_tuning(rng, places):
    config = dict(num_virtual_tokens=rng.choice(WIDTHS),
                  encoder_reparameterization_type=rng.choice(["MLP", "LSTM"]))
    maybe(rng, 0.6, config, "encoder_hidden_size", lambda: rng.choice([5, 12, 40]))
    maybe(rng, 0.4, config, "encoder_num_layers", lambda: rng.choice([1, 2, 3]))
    maybe(rng, 0.1, config, "encoder_dropout", lambda: 0.1)
    return Drawn("p_tuning", PromptEncoderConfig, config, spread=0.4, learning_rate=1e-2)


DRAWS = {"lora": draw_lora, "adalora": draw_adalora, "vera": draw_vera, "loha": draw_loha,
         "lokr": draw_lokr, "ia3": draw_ia3, "oft": draw_oft, "boft": draw_boft, "hra": draw_hra,
         "fourierft": draw_fourierft, "ln_tuning": draw_ln_tuning,
         "trainable_tokens": draw_trainable_tokens, "prefix_tuning": draw_prefix_tuning,
         "prompt_tuning": draw_prompt_tuning, "p_tuning": draw_p_tuning}
