# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of awkward sizes and kinds, conversations about them, and training rows: everything
drawn or written here."""
import json
import random
from pathlib import Path

import numpy
from PIL import Image

SINGLE = "single"
SIZES = {"photo.png": (97, 61), "tall.png": (13, 90), "wide.png": (120, 17), "tiny.png": (1, 7),
         "square.png": (48, 48), "big.png": (211, 340)}


def picture(width, height, seed):
    """Gradients with noise on top: edges and fine detail both reach the resampler."""
    rng = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:height, 0:width]
    base = numpy.stack([x * 255 / max(1, width - 1), y * 255 / max(1, height - 1),
                        (x + y) * 255 / max(1, width + height - 2)], -1)
    base[height // 3: 2 * height // 3, width // 4: width // 2] = (250, 10, 30)
    return Image.fromarray(numpy.clip(base + rng.normal(0, 40, base.shape), 0,
                                      255).astype(numpy.uint8))


def write_pictures(folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, size) in enumerate(SIZES.items()):
        picture(*size, seed).save(folder / name)
    rgba = picture(53, 71, 20).convert("RGBA")
    rgba.putalpha(Image.fromarray((numpy.arange(53 * 71) % 256).astype(numpy.uint8).reshape(
        71, 53)))
    rgba.save(folder / "alpha.png")
    picture(40, 33, 21).convert("L").save(folder / "gray.png")
    picture(40, 33, 27).convert("LA").save(folder / "grayalpha.png")
    picture(64, 37, 22).convert("P", palette=Image.Palette.ADAPTIVE,
                                colors=30).save(folder / "palette.png")
    picture(64, 37, 28).convert("1").save(folder / "bilevel.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(80, 50, 23).save(folder / "turned.jpg", quality=88, exif=exif)
    exif[0x0112] = 5
    picture(33, 79, 29).save(folder / "transposed.jpg", quality=95, exif=exif)
    picture(77, 55, 24).convert("L").save(folder / "gray.jpg", quality=70)
    picture(60, 60, 25).convert("CMYK").save(folder / "cmyk.jpg", quality=90)
    picture(71, 53, 30).save(folder / "progressive.jpg", quality=60, progressive=True,
                             subsampling=2)
    picture(45, 66, 26).save(folder / "lossless.webp", lossless=True)
    picture(67, 43, 31).save(folder / "lossy.webp", quality=75)


def image(name):
    return {"type": "image", "path": name}


def text(value):
    return {"type": "text", "text": value}


def turn(role, *content):
    return {"role": role, "content": list(content)}


CONVERSATIONS = {
    "plain": [turn("user", image("photo.png"), text("How many shapes are there in the picture?")),
              turn("assistant", text("There are four shapes: one circle and 3 squares."))],
    "korean": [turn("user", image("tall.png"), text("그림에 도형이 몇 개 있나요? 👩‍🚀")),
               turn("assistant", text("모두 네 개입니다. 가장 큰 것은 빨간색 🚀 각."))],
    "several": [turn("system", text("  You answer in one line. ")),
                turn("user", text("Compare these: "), image("turned.jpg"), text(" and "),
                     image("lossy.webp"), text("\nWhich is red?")),
                turn("assistant", text("The first one.")),
                turn("user", image("alpha.png"), text("And this one, in detail?")),
                turn("assistant", text("It is   green,\nmostly.\n"))],
    "large": [turn("user", image("big.png"), text("Describe every corner of it.")),
              turn("assistant", text("A wall of noise; 빨간 사각형 in the middle."))],
    "banner": [turn("user", text("Read this: "), image("wide.png")),
               turn("assistant", text("It says nothing."))],
    "words": [turn("user", text("What colour is grass?\n\n  Say it twice.")),
              turn("assistant", text(" green green"))],
    "kinds": [turn("user", image("tiny.png"), image("gray.png"), image("cmyk.jpg"),
                   image("palette.png"), text("Describe.")),
              turn("assistant", text("1 234 pieces, I'm sure; 빨간 원."))],
    "more": [turn("user", image("big.png"), image("lossless.webp"), image("transposed.jpg"),
                  image("gray.jpg"), text("설명해 주세요.")),
             turn("assistant", text("호수 위로 나무 다리가 놓여 있고 멀리 산이 보입니다."))],
    # Florence-2's task words: a whole question, and one about something.
    "caption": [turn("user", image("turned.jpg"), text("<MORE_DETAILED_CAPTION>")),
                turn("assistant", text("A red circle, left of a blue square.</s>"))],
    "grounding": [turn("user", image("photo.png"),
                       text("<CAPTION_TO_PHRASE_GROUNDING> a red circle \n")),
                  turn("assistant", text("a red circle<loc_12><loc_0><loc_7><loc_19>"))],
    "rest": [turn("user", image("wide.png"), image("grayalpha.png"), image("bilevel.png"),
                  image("progressive.jpg"), text("x")),
             turn("assistant", text("y"))],
}

OBJECTS = ["red circle", "blue square", "small green triangle", "yellow star", "old boat", "빨간 원",
           "파란 사각형", "초록색 삼각형"]
PLACES = ["left", "right", "above", "under the bridge", "왼쪽에", "오른쪽에", "호수 위로"]


def rows(count, seed=7, without_picture=()):
    """Training rows of varied length: one or two pictures, some without, answers from one word to
    several sentences."""
    rng = random.Random(seed)
    result = []
    for index in range(count):
        pictures = [] if index in without_picture else rng.sample(
            list(SIZES), 1 + (rng.random() < 0.2))
        answer = " ".join(f"{rng.choice(OBJECTS)} {rng.choice(PLACES)}."
                          for _ in range(rng.choice([1, 1, 2, 4])))
        result.append([turn("user", *[image(name) for name in pictures],
                            text(f"Where is the {rng.choice(OBJECTS)}? {index}")),
                       turn("assistant", text(answer))])
    return result


def write_inputs(folder: Path, pictures=True):
    """The pictures, one JSON a conversation, and prompts without their last answer. Returns the
    folder. Without pictures it has
    the texts alone; a folder called `single` is for families whose rows have one picture, and each
    message keeps its first."""
    folder.mkdir(parents=True, exist_ok=True)
    if pictures:
        write_pictures(folder)
    for name, messages in CONVERSATIONS.items():
        messages = messages if pictures else texts_of(messages)
        messages = first_pictures(messages) if folder.name == SINGLE else messages
        (folder / f"{name}.json").write_text(json.dumps({"messages": messages}, ensure_ascii=False,
                                                        indent=1))
        (folder / f"{name}.prompt.json").write_text(json.dumps({"messages": messages[:-1]},
                                                               ensure_ascii=False, indent=1))
    return folder


def write_rows(path: Path, messages):
    path.write_text("".join(json.dumps({"messages": row}, ensure_ascii=False) + "\n"
                            for row in messages))
    return path


def texts_of(messages):
    return [turn(message["role"], *[part for part in message["content"] if part["type"] == "text"])
            for message in messages]


def first_pictures(messages):
    def kept(content):
        first = next((part for part in content if part["type"] == "image"), None)
        return [part for part in content if part["type"] != "image" or part is first]
    return [turn(message["role"], *kept(message["content"])) for message in messages]


def resolved(messages, folder: Path):
    """The same messages with picture paths that the oracle can open; their texts alone where the
    folder holds no pictures."""
    if not (folder / next(iter(SIZES))).exists():
        return texts_of(messages)
    messages = first_pictures(messages) if folder.name == SINGLE else messages
    return [{"role": message["role"], "content": [
        {"type": "image", "path": str(folder / part["path"])}
        if part["type"] == "image" else dict(part)
        for part in message["content"]]} for message in messages]
