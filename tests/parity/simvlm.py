# SPDX-License-Identifier: GPL-3.0-or-later
"""SimVLM against its formulas (transformers has no class of it): ResNetModel's last map through a product, and LlamaForCausalLM under a mask that is full within
the prefix. `objective: prefix_lm` on pictures and texts and on texts alone, whose prefixes are drawn here a second time; and the same on a decoder of texts whose
config.json says prefix_lm."""
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import (AutoTokenizer, ConvNextImageProcessorPil, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, ResNetConfig, ResNetModel)

import tokenizers_
import train
import written_models
from encoders import Draws
from sentence_pairs import seeded
from written_models import Out, draw, opened, read_weights, write_lines

MODEL_TYPE = "simvlm"
KIND = sys.modules[__name__]
TWO_TEXTS = False
PARTS = {"vision_tower": ("resnet.",), "projector": ("patch_projection.",), "language_model": ("model.", "lm_head.")}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "patch_projection"]
STEM = dict(model_type="resnet", embedding_size=8, hidden_sizes=[8, 16, 24], depths=[1, 2, 1], layer_type="basic")
TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
            initializer_range=0.02, tie_word_embeddings=False)


@dataclass
class Spec:
    stem: dict = field(default_factory=lambda: dict(STEM))
    text: dict = field(default_factory=lambda: dict(TEXT))
    size: int = 40
    dtype: str = "float32"


SPECS = {
    # behind no relu the last map's gradient comes with its channels side by side
    "simvlm-plain": Spec({**STEM, "hidden_act": "gelu"}),
    "simvlm-tied": Spec({**STEM, "layer_type": "bottleneck", "hidden_sizes": [16, 32, 32], "depths": [1, 1, 2]},
                        {**TEXT, "tie_word_embeddings": True, "num_key_value_heads": 4}, 56, "bfloat16"),
    "simvlm-larger": Spec({**STEM, "embedding_size": 16, "hidden_sizes": [32, 64, 96]},
                          {**TEXT, "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4}, 96),
}


def prefix_mask(prefix, length):
    """Who sees whom in a row: all that stands before, and all of the prefix within it. What is added to scores."""
    place = torch.arange(length)
    seen = (place[None, :] <= place[:, None]) | ((place[None, :] < prefix) & (place[:, None] < prefix))
    return torch.zeros(length, length).masked_fill(~seen, torch.finfo(torch.float32).min)[None, None]


class SimVlm(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.resnet = ResNetModel(ResNetConfig(**config["vision_config"]))
        language = LlamaForCausalLM(LlamaConfig(**config["text_config"], attn_implementation="eager"))
        self.patch_projection = nn.Linear(self.resnet.config.hidden_sizes[-1], language.config.hidden_size)
        self.model, self.lm_head = language.model, language.lm_head

    def patches(self, pixel_values):
        return self.patch_projection(self.resnet(pixel_values).last_hidden_state.flatten(2).transpose(1, 2))

    def row_logits(self, states, prefix):
        return self.lm_head(self.model(inputs_embeds=states[None], attention_mask=prefix_mask(prefix, len(states)), use_cache=False).last_hidden_state[0])

    def forward(self, rows, pixel_values=None):
        """rows: (words, how many of the row's places are prefix, labels of all places), with `True` where a picture stands before the words."""
        pictures = iter(self.patches(pixel_values)) if pixel_values is not None else iter(())
        total, count, logits = 0.0, 0, []
        for shown, words, prefix, labels in rows:
            states = self.model.embed_tokens(torch.tensor(words))
            if shown:
                states = torch.cat([next(pictures), states])
            made = self.row_logits(states, prefix)
            logits.append(made)
            total = total + functional.cross_entropy(made[:-1], torch.tensor(labels)[1:], reduction="sum")
            count += sum(label != -100 for label in labels[1:])
        return Out(total / count, logits[0])


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())


def words_of():
    return tokenizers_.gpt2_tokenizer(tokens=("<image>",))


def make(name, root: Path):
    folder, spec = root / name, SPECS[name]
    if folder.exists():
        return folder
    words = words_of()
    text = dict(model_type="llama", vocab_size=len(words) + 2, bos_token_id=words.eos_token_id, eos_token_id=words.eos_token_id, **spec.text)
    config = dict(architectures=["SimVlmForConditionalGeneration"], model_type="simvlm", image_size=spec.size, vision_config=spec.stem, text_config=text,
                  image_token_id=words.convert_tokens_to_ids("<image>"), dtype=spec.dtype)
    model = SimVlm(config)
    draw(model, name)
    written_models.write(folder, model, config, spec.dtype)
    words.save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": spec.size}).save_pretrained(folder)
    return folder


def oracle(folder):
    return read_weights(SimVlm(settings_of(folder)), folder)


def rows(world, count):
    return written_models.rows(world, count)


class Joining:
    """`sft`: the picture is the prefix, the whole caption is learned."""

    def __init__(self, folder):
        self.words, self.pictures = AutoTokenizer.from_pretrained(folder), ConvNextImageProcessorPil.from_pretrained(folder)
        side = settings_of(folder)["image_size"]
        for _ in range(4):
            side = (side + 1) // 2
        self.places, self.end = side * side, self.words.eos_token_id

    def text(self, row):
        return self.words(row["text"])["input_ids"] + [self.end]

    def prefixes(self, made):
        return [0 for _ in made]

    def __call__(self, made):
        found = []
        for row, given in zip(made, self.prefixes(made)):
            words, before = self.text(row), self.places if "image" in row else 0
            found.append(("image" in row, words, before + given, [-100] * (before + given) + words[given:]))
        shown = [row for row in made if "image" in row]
        batch = dict(rows=found) | (dict(pixel_values=opened(shown, self.pictures)) if shown else {})
        return batch

    def greedy(self, model, row, length):
        patches, written = model.patches(opened([row], self.pictures))[0], []
        while len(written) < length and self.end not in written:
            states = torch.cat([patches, model.model.embed_tokens(torch.tensor(written, dtype=torch.long))])
            written.append(model.row_logits(states, self.places)[-1].argmax().item())
        return written


def drawn_prefix(seed, epoch, row, learned):
    """data/prefix_rows.cpp: of so many tokens, the end among them."""
    draws = Draws(seeded(seeded(seed, epoch), row), 0)
    return ((draws.bits() >> 32) * learned) >> 32


class Drawing(Joining):
    """Rows in their order, epoch after epoch."""

    def __init__(self, folder, count, seed=42):
        super().__init__(folder)
        self.count, self.seed, self.at = count, seed, 0

    def prefixes(self, made):
        found = []
        for row in made:
            found.append(drawn_prefix(self.seed, self.at // self.count, self.at % self.count, len(self.text(row))))
            self.at += 1
        return found


def silent(key):
    return key.endswith("num_batches_tracked")


def trains(model, strategy, freeze):
    """Batch norms that learn go by the batch."""
    if strategy == "full" or (strategy == "freeze" and not freeze.get("vision_tower")):
        model.train()


def mixed_rows(world, count):
    """Every third row is a text alone."""
    return [row if number % 3 else {"text": row["text"]} for number, row in enumerate(rows(world, count), 1)]


def prefix_case(name, strategy, together=3, make_folder=make, oracle_of=oracle, drawing=Drawing, rows_of=mixed_rows, **more):
    def case(world, result):
        folder, made = make_folder(name, world.checkpoints), rows_of(world, 7)
        model = oracle_of(folder)
        steps = train.DEFAULTS | dict(max_steps=6, per_device_train_batch_size=together, gradient_accumulation_steps=1, learning_rate=1e-3)
        recipe = dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", made), output_dir=str(world.scratch / "run"), objective="prefix_lm",
                      strategy=strategy, training=steps | dict(device="cpu", dtype="float32", gradient_checkpointing="false", logging_steps=1, save_steps=0))
        model.requires_grad_(True)
        if strategy == "lora":
            model = written_models.get_peft_model(model, written_models.LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS[:7], lora_dropout=0.0))
            model.save_pretrained(world.scratch / "start")
            recipe["adapter"] = dict(init_from=str(world.scratch / "start"))
        else:
            model.train()
        (world.scratch / "recipe.yaml").write_text(json.dumps(recipe | more))
        world.program.run("train", world.scratch / "recipe.yaml")
        joining = drawing(folder, len(made))
        log = loop(model, joining, made, steps)
        got = train.curve(world.scratch / "run")
        for line, wanted in zip(got, log):
            for key in ("loss", "grad_norm"):
                result.near(f"step {wanted['step']} {key}", line.get(key, float("nan")), wanted[key], train.CURVE, key)
        if strategy == "lora":
            got, wanted = (load_file(world.scratch / "run" / "adapter" / "adapter_model.safetensors"), written_models.get_peft_model_state_dict(model))
        else:
            got = load_file(world.scratch / "run" / "model" / "model.safetensors")
            wanted = {key: tensor for key, tensor in model.state_dict().items() if key in got}
        result.same("tensors", sorted(got), sorted(wanted))
        for key, tensor in wanted.items():
            if key in got and not silent(key):
                result.close(key, got[key].float(), tensor.detach().float(), train.WEIGHTS, "weights")
    return case


def loop(model, joining, made, steps):
    """As encoder_decoders.plain_loop, with the rows that an epoch has left in its last batch."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, log, at = torch.optim.AdamW(trained, lr=steps["learning_rate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0), [], 0
    for step in range(steps["max_steps"]):
        optimizer.zero_grad()
        batch = made[at:at + steps["per_device_train_batch_size"]]
        at = (at + len(batch)) % len(made)
        loss = model(**joining(batch)).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, steps["max_grad_norm"]).item()
        optimizer.step()
        log.append(dict(step=step + 1, loss=loss.item(), grad_norm=norm))
    return log


class TextAlone(nn.Module):
    """A decoder of texts under the same mask."""

    def __init__(self, folder):
        super().__init__()
        language = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        self.model, self.lm_head = language.model, language.lm_head

    row_logits, forward = SimVlm.row_logits, SimVlm.forward


class TextDrawing(Drawing):
    def __init__(self, folder, count, seed=42):
        self.words = PreTrainedTokenizerFast.from_pretrained(folder)
        self.places, self.end, self.count, self.seed, self.at = 0, self.words.eos_token_id, count, seed, 0


def make_text(name, root):
    folder = root / name
    if folder.exists():
        return folder
    words = tokenizers_.gpt2_tokenizer()
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), bos_token_id=words.eos_token_id, eos_token_id=words.eos_token_id, **TEXT))
    draw(model, name)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    config = settings_of(folder)
    (folder / "config.json").write_text(json.dumps(config | dict(prefix_lm=True)))
    return folder


TEMPLATE = ("{% for m in messages %}{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for p in m['content'] %}{{ p['text'] }}{% endfor %}"
            "{% endif %}{% endfor %}")


def text_answers_case(world, result):
    """An answer's prompt sees itself both ways, too; and another answer comes where config.json says nothing."""
    folder, other = make_text("text-prefix", world.checkpoints), make_text("text-causal", world.scratch)
    (other / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (other / "config.json").write_text(json.dumps(settings_of(other) | dict(prefix_lm=False)))
    model, words, differ = TextAlone(folder).eval(), PreTrainedTokenizerFast.from_pretrained(folder), 0
    for text in ("the old harbour was quiet", "two green triangles above", "a red circle stands"):
        (world.scratch / "row.json").write_text(json.dumps(dict(messages=[dict(role="user", content=text)])))
        got = []
        for each in (folder, other):
            (each / "chat_template.jinja").write_text(TEMPLATE)
            got.append(world.program.json("generate", each, "--input", world.scratch / "row.json", "--max-new-tokens", "40", "--dtype", "float32", "--device", "cpu",
                                          "--json")["results"][0]["token_ids"])
        prompt = words(text)["input_ids"]
        ids = list(prompt)
        with torch.no_grad():
            while len(ids) < len(prompt) + 40 and words.eos_token_id not in ids[len(prompt):]:
                ids.append(model.row_logits(model.model.embed_tokens(torch.tensor(ids)), len(prompt))[-1].argmax().item())
        result.same(f"{text!r}", got[0], ids[len(prompt):])
        differ += got[0] != got[1]
    result.expect(differ, "the prefix changes nothing")


def texts(world, count):
    return [{"text": row["text"] * 2} for row in rows(world, count)]


def refused_case(world, result):
    """A decoder that looks back alone has no prefix."""
    folder = make_text("text-prefix", world.scratch)
    config = settings_of(folder)
    (folder / "config.json").write_text(json.dumps(config | dict(prefix_lm=False)))
    recipe = world.scratch / "recipe.yaml"
    recipe.write_text(json.dumps(dict(model=str(folder), dataset=write_lines(world.scratch / "train.jsonl", texts(world, 3)),
                                      output_dir=str(world.scratch / "run"), objective="prefix_lm", strategy="full")))
    told = world.program.end("train", recipe)
    result.expect(told.returncode == 2 and '"prefix_lm": true' in told.stderr, f"it says {told.stderr}")


def halves_case(name):
    """transformers' classes load the stem and the decoder of the folder."""
    def case(world, result):
        folder = make(name, world.checkpoints)
        config = settings_of(folder)
        for kind, made, begins in ((ResNetModel, ResNetConfig(**config["vision_config"]), PARTS["vision_tower"]),
                                   (LlamaForCausalLM, LlamaConfig(**config["text_config"]), PARTS["language_model"])):
            _, told = kind.from_pretrained(folder, config=made, output_loading_info=True)
            result.expect(not told["missing_keys"] and not told["mismatched_keys"], f"{kind.__name__} lacks {told}")
            result.expect(not any(key.startswith(begins) for key in told["unexpected_keys"]), f"{kind.__name__}: {told['unexpected_keys']}")
    return case


DAILY = {f"simvlm/{name}" for name in ("simvlm-plain/forward", "simvlm-plain/generate", "simvlm-plain/prefix-full", "text/full", "forecast/lora")}


def cases(everything=False):
    found = {}
    for name in ("simvlm-plain", "simvlm-tied"):
        found |= {f"simvlm/{name}/forward": written_models.forward_case(KIND, name), f"simvlm/{name}/info": written_models.info_case(KIND, name),
                  f"simvlm/{name}/generate": written_models.generate_case(KIND, name), f"simvlm/{name}/halves": halves_case(name)}
    found |= {"simvlm/simvlm-plain/lora": written_models.train_case(KIND, "simvlm-plain", "lora", "true"),
              "simvlm/simvlm-plain/prefix-full": prefix_case("simvlm-plain", "full"),
              "simvlm/simvlm-plain/prefix-lora": prefix_case("simvlm-plain", "lora", 2),
              "simvlm/text/full": prefix_case("text-prefix", "full", 3, make_text, TextAlone, TextDrawing, texts),
              "simvlm/text/refused": refused_case, "simvlm/text/generate": text_answers_case,
              "simvlm/forecast/lora": written_models.forecast_case(KIND, "simvlm-larger", "lora", objective="prefix_lm"),
              "simvlm/forecast/full": written_models.forecast_case(KIND, "simvlm-larger", "full", objective="prefix_lm")}
    return {name: case for name, case in found.items() if everything or name in DAILY}
