# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark trains, written by transformers with random weights: a LLaVA of about 70 M
parameters whose rows are all 264 tokens long (196 of
them the picture's), and one model a family (see family_models) whose pictures and texts vary in
size. Run as a program, so that the
benchmark itself stays small: checkpoints.py NAME FOLDER --rows N."""
import argparse
import json
import random
import types
from pathlib import Path

import numpy
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (AutoProcessor, CLIPImageProcessor, CLIPVisionConfig, LlamaConfig,
                          LlavaConfig, LlavaForConditionalGeneration,
                          LlavaProcessor, PreTrainedTokenizerFast)

TEMPLATE = ("{% for message in messages %}{{ message['role'] + ':\\n' }}{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
            "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:\\n' }}{% endif %}")
WORDS = "the a of red green blue circle square triangle left right above below small large near two three and is at on with one".split()
SIZES = [(448, 448), (640, 200), (180, 500), (320, 240), (240, 320), (150, 150), (500, 380),
         (224, 160)]
OTHERS = ("bert", "t5", "clip")     # that do not answer chats
FRAMES = 8                  # of a film
AVERAGE = (360, 252)        # as many patches for Qwen-VL as the sizes above have on average


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600,
                                  special_tokens=["<unk>", "<s>", "</s>", "<pad>", "<image>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([" ".join(WORDS) + " user: assistant: \n"] * 50, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>",
                                   pad_token="<pad>", unk_token="<unk>",
                                   extra_special_tokens={"image_token": "<image>"})


def make_llava(folder: Path):
    torch.manual_seed(1)
    tokenizer = make_tokenizer()
    vision = CLIPVisionConfig(hidden_size=384, intermediate_size=1536, num_hidden_layers=8,
                              num_attention_heads=6, image_size=224, patch_size=16,
                              projection_dim=384)
    text = LlamaConfig(vocab_size=32064, hidden_size=512, intermediate_size=1408,
                       num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=8,
                       bos_token_id=1, eos_token_id=2, pad_token_id=3)
    config = LlavaConfig(vision_config=vision, text_config=text,
                         image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
                         image_seq_length=196)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 224},
                                crop_size={"height": 224, "width": 224})
    LlavaProcessor(image_processor=images, tokenizer=tokenizer, patch_size=16,
                   vision_feature_select_strategy="default", num_additional_image_tokens=1,
                   chat_template=TEMPLATE).save_pretrained(folder)


def draw_words(pick, count):
    return [pick.choice(WORDS) for _ in range(count)]


def make_rows(folder: Path, count: int, tokens_of, sizes, length=0, pictures=True):
    """Rows with one picture of one of `sizes` or without, questions of 4 to 16 words, answers of 4 to 32.
    `length`: about so many tokens, half of the
    text the question. `tokens_of(messages)` counts. Writes train.jsonl and lengths.json."""
    folder.mkdir(parents=True, exist_ok=True)
    pick, draw = random.Random(7), numpy.random.default_rng(7)
    lengths = []
    with open(folder / "train.jsonl", "w") as out:
        for row in range(count):
            width, height = pick.choice(sizes)
            name = f"{row}.jpg"
            if pictures:
                Image.fromarray(draw.integers(0, 256, (height, width, 3), dtype=numpy.uint8)).save(
                    folder / name)
            question, answer = (draw_words(pick, 6 if length else pick.randint(4, most))
                                for most in (16, 32))

            def messages(picture):
                shown = [{"type": "image", "path": picture}] if pictures else []
                return [{"role": "user", "content": [*shown,
                                                     {"type": "text", "text": " ".join(question)}]},
                        {"role": "assistant", "content": [
                            {"type": "text", "text": " ".join(answer)}]}]

            def tokens():
                return tokens_of(messages(str(folder / name)))

            while length and (have := tokens()) < length:
                (question if len(question) <= len(answer) else answer).extend(
                    draw_words(pick, max(1, (length - have) // 4)))
            while length and tokens() > length and len(answer) > 1:
                answer.pop()
            lengths.append(tokens())
            out.write(json.dumps({"messages": messages(name)}) + "\n")
    (folder / "lengths.json").write_text(json.dumps(lengths))


def make_llava_rows(model: Path, folder: Path, count: int):
    processor = AutoProcessor.from_pretrained(model)

    def tokens_of(messages):
        image = Image.open(messages[0]["content"][0]["path"])
        return len(processor(text=processor.apply_chat_template(messages),
                             images=[image])["input_ids"][0])

    make_rows(folder, count, tokens_of, [(320, 240)], length=264)


def make_films(folder: Path, count: int, tokens_of):
    """Rows with a film of eight frames of one of SIZES, a folder, each."""
    folder.mkdir(parents=True, exist_ok=True)
    pick, draw = random.Random(7), numpy.random.default_rng(7)
    lengths = []
    with open(folder / "train.jsonl", "w") as out:
        for row in range(count):
            width, height = pick.choice(SIZES)
            (folder / str(row)).mkdir(exist_ok=True)
            for frame in range(FRAMES):
                pixels = draw.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
                Image.fromarray(pixels).save(folder / str(row) / f"{frame}.jpg")
            question, answer = (" ".join(draw_words(pick, pick.randint(4, most)))
                                for most in (16, 32))

            def messages(film):
                return [{"role": "user", "content": [{"type": "video", "video": film},
                                                     {"type": "text", "text": question}]},
                        {"role": "assistant", "content": [{"type": "text", "text": answer}]}]

            lengths.append(tokens_of(messages(str(folder / str(row)))))
            out.write(json.dumps({"messages": messages(str(row))}) + "\n")
    (folder / "lengths.json").write_text(json.dumps(lengths))


def make_family(name: str, folder: Path, count: int):
    """The family's model, rows/ of mixed sizes, and equal/: rows as long as those are on average,
    all alike."""
    import family_models
    import films
    shows_films = name.endswith("-films")
    family, spec = family_models.find(name.removesuffix("-films"))
    model, processor = family.build(spec, name, folder / "scratch")
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    family.finish(folder / "model", spec)
    checkpoint = types.SimpleNamespace(processor=family.load_processor(folder / "model"), spec=spec,
                                       family=family, film={})

    def tokens_of(messages):
        if shows_films:
            return films.encode(family, checkpoint, messages, False)["input_ids"].shape[1]
        tokens = family.encode(checkpoint, messages, False)["input_ids"].shape[1]
        if family.two_texts:    # the answer is not in the first
            tokens += len(processor.tokenizer(messages[1]["content"][0]["text"])["input_ids"])
        return tokens

    if shows_films:
        make_films(folder / "rows", count, tokens_of)
    else:
        make_rows(folder / "rows", count, tokens_of, SIZES, pictures=family.pictures)
    lengths = json.loads((folder / "rows" / "lengths.json").read_text())
    if name == family_models.PACKED:
        make_rows(folder / "equal", count, tokens_of, [AVERAGE],
                  length=round(sum(lengths) / len(lengths)))
    (folder / "size.json").write_text(json.dumps(sum(parameter.numel()
                                                     for parameter in model.parameters())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=48)
    options = parser.parse_args()
    if options.name == "llava-70m":
        make_llava(options.folder / "model")
        make_llava_rows(options.folder / "model", options.folder / "rows", options.rows)
    elif options.name in OTHERS:
        import other_models
        other_models.make(options.name, options.folder, options.rows, draw_words, SIZES)
    else:
        make_family(options.name, options.folder, options.rows)
    (options.folder / "done").touch()
