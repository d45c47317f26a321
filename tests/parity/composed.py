# SPDX-License-Identifier: GPL-3.0-or-later
"""`compose`: halves made by transformers become one checkpoint, which transformers' class loads
without a key too few or too many. Tensors of the halves are equal to their sources, logits and loss
of a conversation to transformers' over the same folder, the first loss of each stage's recipe to
that, and a second call writes the same bytes."""
import hashlib
import json
from dataclasses import dataclass, field

import torch
import transformers
from safetensors.torch import load_file
from transformers import (CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPVisionConfig,
                          CLIPVisionModel, LlamaConfig, LlamaForCausalLM, LlamaTokenizer,
                          MistralConfig, MistralForCausalLM, OPTConfig, OPTForCausalLM,
                          PersimmonConfig, PersimmonForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          SiglipImageProcessorPil, SiglipVisionConfig, SiglipVisionModel, ViTConfig,
                          ViTForImageClassification)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import checkpoints
import conversations
import forward
import tokenizers_
import train
from families import FAMILIES
from families.base import LLAMA, LLAMA3_ROPE, Spec, ids_of, randomise
from families.fuyu import fuyu_tokenizer

TOWER = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=3)
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
          "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + "
          "'<|im_end|>' }}{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>' }}"
          "{% endif %}{{ '\\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
LOSS = 3e-4


def bare_llama(scratch):
    """Llama's own tokenizer, which knows no picture."""
    source = scratch / "bare"
    source.mkdir(parents=True, exist_ok=True)
    (source / "tokenizer.model").write_bytes(tokenizers_.sentencepiece_model())
    (source / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}))
    return LlamaTokenizer.from_pretrained(source)


def chatml(tokenizer):
    tokenizer.chat_template = CHATML
    return tokenizer


def pictures_of(size, kind):
    side = {"height": size, "width": size}
    if kind is CLIPImageProcessorPil:
        return kind(size={"shortest_edge": size}, crop_size=side, image_mean=[0.4, 0.5, 0.6])
    return kind(size=side)


def clip_tower(folder):
    """The vision half of a whole CLIP, with weights in half precision."""
    vision = CLIPVisionConfig(**TOWER, image_size=30, patch_size=6, hidden_act="gelu").to_dict()
    text = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
                vocab_size=50, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    model = CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=24))
    return model.half(), pictures_of(30, CLIPImageProcessorPil)


def clip_alone(folder):
    model = CLIPVisionModel(CLIPVisionConfig(**TOWER, image_size=24, patch_size=8))
    return model, pictures_of(24, CLIPImageProcessorPil)


def siglip_tower(folder):
    model = SiglipVisionModel(SiglipVisionConfig(**TOWER, image_size=32, patch_size=8))
    return model, pictures_of(32, SiglipImageProcessorPil)


def vit_tower(folder):
    model = ViTForImageClassification(ViTConfig(**TOWER, image_size=32, patch_size=8,
                                                hidden_dropout_prob=0.0))
    return model, pictures_of(32, ViTImageProcessorPil)


def text_model(config, model, tokenizer, more, dtype=torch.float32, **options):
    words = dict(vocab_size=len(tokenizer) + more, max_position_embeddings=2048,
                 **ids_of(tokenizer))
    return model(config(**{**words, **options})).to(dtype), tokenizer


HALVES = {
    "clip": clip_tower, "clip-alone": clip_alone, "siglip": siglip_tower, "vit": vit_tower,
    # no row is free: the table grows
    "llama": lambda scratch: text_model(LlamaConfig, LlamaForCausalLM, bare_llama(scratch), 0,
                                        **{**LLAMA, "num_key_value_heads": 4}),
    # rows are free; heads share keys
    "mistral": lambda scratch: text_model(
        MistralConfig, MistralForCausalLM, chatml(bare_llama(scratch)), 5, torch.bfloat16,
        **{**LLAMA, "num_key_value_heads": 2, "sliding_window": None}),
    # the mark is known; head and table are one
    "qwen2": lambda scratch: text_model(
        Qwen2Config, Qwen2ForCausalLM, chatml(tokenizers_.qwen_tokenizer()), 3,
        **{**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": True,
           "use_sliding_window": False}),
    "opt": lambda scratch: text_model(
        OPTConfig, OPTForCausalLM, tokenizers_.opt_tokenizer(), 0, hidden_size=48, ffn_dim=80,
        num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=48, dropout=0.0),
    "llama-four": lambda scratch: text_model(
        LlamaConfig, LlamaForCausalLM, chatml(bare_llama(scratch)), 0, torch.float16,
        **{**LLAMA, "num_key_value_heads": 4, "num_hidden_layers": 4,
           "rope_parameters": LLAMA3_ROPE}),
    "persimmon": lambda scratch: text_model(
        PersimmonConfig, PersimmonForCausalLM, fuyu_tokenizer(), 3, pad_token_id=None,
        **{**LLAMA, "rope_parameters": dict(rope_type="default", rope_theta=25000.0,
                                            partial_rotary_factor=0.5)}),
}


@dataclass
class Made:
    connector: str
    language: str
    tower: str = ""
    options: tuple = ()
    conversations: tuple = ("plain",)
    daily: bool = True
    spec: Spec = field(default_factory=lambda: Spec(None))


QFORMER = ("--set", "qformer_config.hidden_size=40", "--set", "qformer_config.num_hidden_layers=3",
           "--set", "qformer_config.num_attention_heads=4", "--set",
           "qformer_config.intermediate_size=72")
# Gates that let through what is seen, and smaller blocks.
OPEN = ("--set", 'alpha_initializer="ones"', "--set", "perceiver_config.resampler_depth=2", "--set",
        "perceiver_config.resampler_n_heads=3", "--set", "perceiver_config.resampler_head_dim=8")
MADE = {
    "mlp": Made("mlp", "llama", "clip", conversations=("plain", "several")),
    "linear": Made("linear", "qwen2", "siglip"),
    "mlp-free-rows": Made("mlp", "mistral", "clip-alone", (
        "--set", "vision_feature_layer=[-3,-1]", "--set",
        'vision_feature_select_strategy="full"'), daily=False),
    "qformer": Made("qformer", "opt", "vit", ("--queries", "5", *QFORMER)),
    "qformer-llama": Made("qformer", "llama", "vit", ("--queries", "7", *QFORMER), daily=False),
    "resampler": Made("resampler", "llama-four", "clip", ("--every", "2", "--queries", "6", *OPEN),
                      ("plain", "several")),
    "gated": Made("gated", "llama", "clip-alone", ("--every", "1", *OPEN), daily=False),
    "early": Made("early", "persimmon", options=("--set", "patch_size=12"), daily=False),
    "early-llama": Made("early", "llama", options=("--set", "patch_size=12")),
}


def half(world, name):
    """A half's folder, made once."""
    folder = world.checkpoints / f"half-{name}"
    if folder.exists():
        return folder
    model, beside = HALVES[name](world.checkpoints / "halves")
    randomise(model.vision_model if isinstance(model, CLIPModel) else model,
              seed=sum(name.encode()))
    if hasattr(beside, "get_vocab") and getattr(model.config, "tie_word_embeddings", False):
        with torch.no_grad():
            model.get_input_embeddings().weight.mul_(0.3)
    model.save_pretrained(folder)
    beside.save_pretrained(folder)
    return folder


def composed(world, name, out):
    made = MADE[name]
    tower = ("--tower", half(world, made.tower)) if made.tower else ()
    return world.program.json("compose", "--connector", made.connector, "--language-model",
                              half(world, made.language), *tower, *made.options, "--seed", "7",
                              "--out", out, "--json")


def family_of(model_type):
    return next(family for family in FAMILIES if family.model_type == model_type)


class Spaced:
    """A tokenizer that puts a token before a picture's, since FuyuProcessor takes one away: its own
    puts a space there."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def __call__(self, text, **options):
        out = self.tokenizer(text, **options)
        if text.startswith("|SPEAKER|"):
            out = {key: torch.cat([tensor[:, :1], tensor], 1) for key, tensor in out.items()}
        return out


def all_bytes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())}


def compare_sources(world, result, name, told, folder):
    made = MADE[name]
    got = load_file(folder / "model.safetensors")
    result.same("tensors", sorted(got), sorted(each["stored"] for each in told["tensors"]))
    sources = {"language_model": load_file(half(world, made.language) / "model.safetensors")}
    if made.tower:
        sources["tower"] = load_file(half(world, made.tower) / "model.safetensors")
    used = {key: set() for key in sources}
    for each in told["tensors"]:
        tensor = got[each["stored"]]
        if each["origin"] == "drawn":
            result.expect(tensor.isfinite().all(), f"{each['name']} is not finite")
            continue
        used[each["origin"]].update(each["from"])
        wanted = torch.cat([sources[each["origin"]][source] for source in each["from"]])
        whole, rows = tensor, each["rows_added"]
        if rows:
            mean = wanted.double().mean(0).to(wanted.dtype)
            result.close(f"{each['name']}: new rows", tensor[-rows:].float(),
                         mean.expand(rows, -1).float(), 1e-6, "new rows")
            whole = tensor[:-rows]
        result.expect(whole.dtype == wanted.dtype and torch.equal(whole, wanted),
                      f"{each['name']} is not {each['from']}")
    for key in sources["language_model"]:
        result.expect(key in used["language_model"], f"{key} went nowhere")


def check_loading(result, told, folder):
    kind = getattr(transformers, told["architecture"])
    _, info = kind.from_pretrained(folder, output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        result.expect(not info[what], f"{what}: {sorted(info[what])[:5]}")


def check_stages(world, result, checkpoint, told, losses):
    """The first loss of the first stage that has a recipe is that of the row; the others go on from
    its result."""
    rows = conversations.write_rows(world.scratch / "rows.jsonl",
                                    [conversations.CONVERSATIONS["plain"]])
    (world.scratch / "photo.png").write_bytes((world.inputs / "photo.png").read_bytes())
    recipe = checkpoint.path.parent / f"{checkpoint.path.name}.stages.yaml"
    stages = [stage for stage in told["stages"] if "lacks" not in stage]
    few = ["training.max_steps=1", "training.gradient_accumulation_steps=1",
           "training.per_device_train_batch_size=1", "training.device=cpu",
           "training.dtype=float32", "training.save_steps=0",
           f"output_dir={world.scratch / 'run'}"]
    sets = [f"stages.{place + 1}.dataset={rows}" for place in range(len(stages))]
    world.program.run("train", recipe, *(part for text in few + sets for part in ("--set", text)))
    for place, stage in enumerate(stages):
        run = world.scratch / "run" / "stages" / f"{place + 1}-{stage['name']}"
        lines = [line for line in train.curve(run) if line.get("loss") is not None]
        if result.expect(len(lines) == 1, f"{stage['name']}: {len(lines)} steps") and not place:
            result.near(f"{stage['name']}: loss", lines[0]["loss"], losses["plain"], LOSS, "loss")


def compose_case(name):
    def case(world, result):
        made, folder = MADE[name], world.scratch / "composed"
        told = composed(world, name, folder)
        family = family_of(told["model_type"])
        checkpoint = checkpoints.Checkpoint(name, folder, made.spec, family)
        if name == "early-llama":
            checkpoint.processor.tokenizer = Spaced(checkpoint.processor.tokenizer)
        compare_sources(world, result, name, told, folder)
        check_loading(result, told, folder)
        losses = {}
        for conversation in made.conversations:
            inputs = checkpoint.example(conversations.resolved(
                conversations.CONVERSATIONS[conversation], world.inputs))
            model = checkpoint.model()
            wanted = forward.expected(checkpoint, model, inputs)
            losses[conversation] = wanted["loss"].item()
            blind = torch.zeros_like(inputs["pixel_values"])
            unseen = model(**inputs | {"pixel_values": blind}).logits
            result.expect((family.shown(unseen) - wanted["logits"]).abs().max() > 1e-3,
                          "the case is blind: the picture changes nothing")
            got = forward.run_forward(world.program, checkpoint, world.inputs, conversation,
                                      world.scratch / "out.safetensors")
            forward.check(result, family, got, wanted,
                          forward.Exact(checkpoint, checkpoint.model, inputs))
        check_stages(world, result, checkpoint, told, losses)
        composed(world, name, world.scratch / "again")
        result.same("a second call", all_bytes(world.scratch / "again"), all_bytes(folder))
    return case


def small_case(connector):
    """From nothing: the folder loads there and answers here."""
    def case(world, result):
        tower = () if connector == "early" else ("--tower", "small")
        folder = world.scratch / "small"
        told = world.program.json("compose", "--connector", connector, *tower, "--out", folder,
                                  "--json")
        check_loading(result, told, folder)
        planned = world.program.json("compose", "--connector", connector, *tower, "--plan",
                                     "--json")
        result.same("the plan", planned, told)
        world.program.run("forward", folder, "--input", world.inputs / "plain.json", "--out",
                          world.scratch / "out.safetensors")
    return case


def cases(everything=False):
    found = {f"composed/{name}": compose_case(name) for name, made in MADE.items()
             if everything or made.daily}
    found |= {f"composed/small-{connector}": small_case(connector)
              for connector in ("linear", "mlp", "qformer", "resampler", "gated", "early")
              if everything or connector in ("mlp", "gated")}
    return found
