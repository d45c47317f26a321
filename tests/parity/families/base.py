# SPDX-License-Identifier: GPL-3.0-or-later
"""What the families share: how a tiny checkpoint is described, the family's duties, random weights,
renamed tensors, padded batches. A family
is a module beside this one; families/__init__.py lists them. Nothing else in the suite knows a
family by name."""
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import report
import tokenizers_

CONVERSATIONS = ("plain", "several", "korean", "rest", "more", "words")
LLAMA = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4)
LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=20000.0, factor=4.0, low_freq_factor=1.0,
                   high_freq_factor=4.0,
                   original_max_position_embeddings=64)


@dataclass
class Spec:
    """One tiny checkpoint. `tower`, `text` and `model` go to the configuration classes, `picture`
    and `processor` to the processors."""
    tower: object
    text: type | None = None
    text_options: dict = field(default_factory=dict)
    tokenizer: str = "llama"
    template: str = "vicuna"
    model: dict = field(default_factory=dict)
    picture: dict = field(default_factory=dict)
    processor: dict = field(default_factory=dict)
    dtype: str = "float32"
    names: str = "saved"                # saved (as save_pretrained writes) | native (as in memory) | old (as before 2025)
    old_layout: bool = False            # config.json and preprocessor_config.json as older versions wrote them
    shard: str | None = None
    conversations: tuple = CONVERSATIONS
    attention: str | None = None        # of the oracle, where its default leaves something out


@dataclass
class Plan:
    """A training run that is compared step by step."""
    checkpoint: str
    kind: str = "linear"                # of the family's adapter kinds, for strategy lora
    strategy: str = "lora"
    freeze: dict = field(default_factory=dict)
    rows: int = 11
    without_picture: tuple = ()
    eval_rows: int = 0
    gradient_checkpointing: str = "false"
    image: dict = field(default_factory=dict)           # min_pixels and max_pixels, in place of the checkpoint's own
    training: dict = field(default_factory=dict)
    # Of curve and weights, where the run is as far from itself when it starts one rounding apart.
    limits: tuple = (report.CURVE, report.WEIGHTS)


def towers_plan(checkpoint, without_picture=(3,)):
    """LoRA in tower and decoder, micro-batches of three uneven rows, one of them without a
    picture."""
    return Plan(checkpoint, "towers", rows=10, without_picture=without_picture, training=dict(
        per_device_train_batch_size=3, gradient_accumulation_steps=1, lr_scheduler_type="linear",
        warmup_steps=2))


def full_plan(checkpoint, **training):
    """A few steps of every weight."""
    return Plan(checkpoint, strategy="full", rows=6, training=dict(
        per_device_train_batch_size=2, gradient_accumulation_steps=1, learning_rate=1e-3,
        max_steps=3) | training)


WIDE_TEXT = dict(hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
                 num_key_value_heads=2)
WIDE_TOWER = dict(hidden_size=96, intermediate_size=256, num_attention_heads=4, num_hidden_layers=3)


class Family:
    """A kind of checkpoint. `kinds` are PEFT settings by name; `adapters` (checkpoint, kind,
    generation) triples for forward, `merges`
    (checkpoint, kind) pairs, `plans` runs by name; `generates` (checkpoint, conversation) pairs,
    `compared` checkpoints for several rows."""
    model_type = ""
    stored_type = ""                    # as its files call it, where that is another family's name
    model_class = processor_class = None
    parts = {"vision_tower": "model.vision_tower.", "projector": "model.multi_modal_projector.",
             "language_model": ("model.language_model.", "lm_head.")}
    still = ()                          # parts whose weights no gradient reaches
    embedding = "model.language_model.embed_tokens.weight"
    inputs = ("input_ids", "attention_mask", "pixel_values")
    specs, kinds, plans = {}, {}, {}
    larger = None                       # a spec whose memory is large enough to forecast; called MODEL_TYPE-larger
    pictures = True                     # the model takes pictures; "single": one a row
    two_texts = False                   # an encoder reads the row, and a decoder writes its answer
    needs_picture = False               # a row without a picture is refused
    films = False                       # rows with films are trained on
    still_films = True                  # also those of one frame
    lone_films = False                  # the reference takes but one in a row
    film_conversations = ("film", "films", "march", "still", "film-and-picture")
    film_answers = ("film-and-picture", "films")    # daily, and of the other checkpoints
    film_batch = 2
    film_limits = ()                    # settings of a recipe's films that a run is held with
    native_files = True                 # transformers reads files with the names in memory
    adapters, merges, generates, compared, informed, tokenized = (), (), (), (), (), ()
    packs = ""                          # the checkpoint whose rows come together; none: the first
    seldom = ()                         # names of cases that are too many for every day
    queries = ("q_proj",)               # the decoder's, as target_modules names them
    tied = ()                           # checkpoints whose head shares the embedding's weight
    answer = 24                         # tokens of a greedy answer
    recipe = ""                         # a line of every run's recipe, for what Trainer does not do

    def build(self, spec, name, scratch):
        """The model with its configuration, and the processor."""
        raise NotImplementedError

    def finish(self, path, spec):
        """Makes an older folder of what save_pretrained wrote."""
        if spec.names != "saved":
            self.rename(path, spec.names)

    def native_name(self, name):
        """From any stored name to the parameter's name in transformers 5.17."""
        return name

    def older_name(self, name):
        """From the stored name to one that older checkpoints have."""
        return name

    def older_key(self, name):
        """From a module's name in memory to the one it had when older PEFT adapters were saved."""
        return name

    def older_pattern(self, pattern):
        """The same for a regular expression of target_modules."""
        return pattern

    def rename(self, path, names):
        for file in path.glob("*.safetensors"):
            tensors = {(self.native_name if names == "native" else self.older_name)(key): tensor
                       for key, tensor in load_file(file).items()}
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file,
                      metadata={"format": "pt"})
        for index in path.glob("*.index.json"):
            content = json.loads(index.read_text())
            content["weight_map"] = {(self.native_name
                                      if names == "native" else self.older_name)(key): file
                                     for key, file in content["weight_map"].items()}
            index.write_text(json.dumps(content))

    def load_processor(self, folder):
        processor = self.processor_class.from_pretrained(folder, backend="pil")
        assert "Pil" in type(processor.image_processor).__name__
        return processor

    def limit_pictures(self, processor, limits):
        """As the recipe's image: {min_pixels, max_pixels} does."""
        raise NotImplementedError

    def load_model(self, path, spec, dtype):
        options = {"attn_implementation": spec.attention} if spec.attention else {}
        return self.model_class.from_pretrained(path, dtype=dtype, **options).eval()

    def image_token_id(self, checkpoint):
        return checkpoint.processor.image_token_id

    def encode(self, checkpoint, messages, prompt):
        """What the model gets for one conversation, by the processor's own chat template."""
        out = checkpoint.processor.apply_chat_template(messages, tokenize=True, return_dict=True,
                                                       return_tensors="pt",
                                                       add_generation_prompt=prompt)
        return {key: out[key] for key in self.inputs if key in out}

    def example(self, checkpoint, messages):
        """encode() and labels by loss_on: completion."""
        inputs = checkpoint.encode(messages)
        prompt = checkpoint.encode(messages[:-1], prompt=True)["input_ids"].shape[1]
        labels = inputs["input_ids"].clone()
        labels[:, :prompt] = -100
        labels[labels == self.image_token_id(checkpoint)] = -100
        return inputs | {"labels": labels}

    def batch(self, examples):
        """Right padding; pictures of all rows behind one another."""
        length = max(example["input_ids"].shape[1] for example in examples)
        fill = {"labels": -100}

        def pad(key):
            return torch.cat([torch.nn.functional.pad(example[key],
                                                      (0, length - example[key].shape[1]),
                                                      value=fill.get(key, 0))
                              for example in examples])

        batch = {key: pad(key) for key in ("input_ids", "attention_mask", "labels",
                                           "token_type_ids", "mm_token_type_ids")
                 if key in examples[0]}
        return batch | self.batch_pictures([example for example in examples
                                            if "pixel_values" in example])

    def batch_pictures(self, examples):
        keys = [key for key in ("pixel_values", "image_grid_thw", "image_sizes") if examples
                and key in examples[0]]
        return {key: torch.cat([example[key] for example in examples]) for key in keys}

    def pixels(self, inputs):
        """Of encode(): all pixels as `forward` writes them."""
        return inputs["pixel_values"]

    def shown(self, logits):
        """Of logits what is compared: all."""
        return logits

    def has_films(self, name):
        """Whether the checkpoint's template has a place for them."""
        return True

    def film_pixels(self, messages, inputs):
        """The same of a conversation with films, as they stand among the pictures."""
        return self.pixels(inputs)

    def gradient_names(self, checkpoint):
        """The stored tensors whose gradients are compared: all."""
        return list(checkpoint.stored)

    def silent(self, name):
        """A softmax does not feel a bias on all keys alike where no rotation follows: such a
        gradient is zero but for rounding."""
        return name.endswith("k_proj.bias") and self.native_name(name).startswith(
            self.parts["vision_tower"])

    def felt(self, spec, name, tensor):
        """Of a stored tensor what is not silent so."""
        return tensor

    def part_of(self, name):
        return next(part for part, prefixes in self.parts.items() if name.startswith(prefixes))


class FirstLayout(Family):
    """Families whose files keep llava's first layout: language_model.model…,
    language_model.lm_head…, vision_tower…"""

    def native_name(self, name):
        name = name.removeprefix("model.").replace("vision_tower.vision_model.", "vision_tower.")
        if name.startswith(("language_model.lm_head", "lm_head")):
            return "lm_head.weight"
        return "model." + name.replace("language_model.model.", "language_model.")

    def older_name(self, name):
        return name if "vision_model" in name else name.replace("vision_tower.",
                                                                "vision_tower.vision_model.", 1)

    def older_key(self, name):
        """A module's name as transformers before 4.52 had it."""
        name = name.replace("model.language_model.", "language_model.model.",
                            1) if name.startswith("model.language_model.") else name
        name = "language_model." + name if name.startswith("lm_head") else name
        return name.replace("model.vision_tower.", "vision_tower.vision_model.",
                            1).replace("model.multi_modal", "multi_modal", 1)

    def older_pattern(self, pattern):
        return pattern.replace(r"language_model\.layers", r"language_model\.model\.layers")


def randomise(model, seed, one_plus=False, embedding=0.6):
    """Weights of a size at which every block matters, so that a wrong block shows in the logits.
    `one_plus`: RMS norms are 1 + weight.
    `embedding`: how large embeddings are."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if ("norm" in name or "ln_q" in name) and name.endswith("weight"):
                centred = one_plus and "vision" not in name
                parameter.copy_((0.0 if centred else 1.0) + 0.15 * noise)
            elif "lambda_" in name:
                parameter.copy_(0.8 + 0.3 * noise)
            elif parameter.dim() == 1 or "bias" in name:
                parameter.copy_(0.1 * noise)
            elif ("embed" in name or "cls_token" in name) and "patch" not in name:
                parameter.copy_((embedding if "embed_tokens" in name else 0.6) * noise)
            else:
                parameter.copy_(noise * 1.2 / math.sqrt(parameter[0].numel()))


def make_tokenizer(kind, scratch, tokens=()):
    """`tokens`: special ones that the family's processor needs."""
    if kind == "gemma":
        return tokenizers_.gemma_tokenizer(tokens=tokens)
    if kind == "qwen":
        return tokenizers_.qwen_tokenizer(tokens=tokens)
    if kind == "gpt2":
        return tokenizers_.gpt2_tokenizer(tokens=tokens)
    if kind == "cohere":
        return tokenizers_.cohere_tokenizer(tokens=tokens)
    return tokenizers_.llama_tokenizer(scratch, tokens=tokens, add_bos_token=kind != "llama")


def ids_of(tokenizer):
    return dict(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id)


def read(path: Path):
    return json.loads(path.read_text())


def write(path: Path, content):
    path.write_text(json.dumps(content, indent=2))


def old_processor_files(path: Path, picture_class, processor_class):
    """preprocessor_config.json and chat_template.json in place of processor_config.json and
    chat_template.jinja."""
    processor = read(path / "processor_config.json")
    picture = processor.pop("image_processor") | {"image_processor_type": picture_class,
                                                  "processor_class": processor_class}
    processor.pop("video_processor", None)
    write(path / "preprocessor_config.json", picture)
    if set(processor) - {"processor_class"}:
        write(path / "processor_config.json", processor | {"processor_class": processor_class})
    else:
        (path / "processor_config.json").unlink()
    template = path / "chat_template.jinja"
    if template.exists():
        write(path / "chat_template.json", {"chat_template": template.read_text()})
        template.unlink()
