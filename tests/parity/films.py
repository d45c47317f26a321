# SPDX-License-Identifier: GPL-3.0-or-later
"""Films of rows: folders and lists of pictures, drawn here, and what a reference processor is given
of them. The cases that are made of them are in film_rows.py."""
import copy
import json
from pathlib import Path

import numpy
from PIL import Image

from conversations import image, picture, text, turn, write_pictures

# name: number of frames, their size, the ending of their files
FILMS = {"walk": (5, (97, 61), "png"), "short": (2, (48, 48), "jpg"), "still": (1, (40, 33), "png"),
         "long": (11, (33, 79), "webp"), "march": (64, (13, 17), "png")}


def write_films(folder: Path):
    """Each film's pictures in a folder of its own, so numbered that their names alone would bring
    them out of order."""
    for seed, (name, (frames, size, ending)) in enumerate(FILMS.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for frame in range(frames):
            options = {"quality": 90} if ending == "jpg" else {"lossless": True} if ending == "webp" else {}
            picture(*size, 100 * seed + frame).save(folder / name / f"{frame + 1}.{ending}",
                                                    **options)
        (folder / name / "notes.txt").write_text("what is no picture is passed over")


def frame_paths(folder: Path):
    """In the order of their numbers."""
    return [str(path) for path in sorted((path for path in folder.iterdir() if path.suffix != ".txt"),
                                         key=lambda path: int(path.stem))]


def frames_of(film):
    """The frames' paths and what the row says of their number a second, of a film as rows have it."""
    if isinstance(film, dict):
        return frames_of(film["path"])[0], film.get("fps")
    if isinstance(film, list):
        return film, None
    return frame_paths(Path(film)), None


def array_of(paths):
    return numpy.stack([numpy.asarray(Image.open(path).convert("RGB")) for path in paths])


def film(name, fps=None, listed=False):
    """A part; `listed`: the frames are told one by one, from the last to the first."""
    if listed:
        return {"type": "video", "video": [f"{name}/{frame}.{FILMS[name][2]}"
                                           for frame in range(FILMS[name][0], 0, -1)]}
    return {"type": "video", "video": {"path": name, "fps": fps} if fps else name}


def encode(family, checkpoint, messages, prompt):
    """Family.encode of a conversation with films: folders of pictures or lists of them, which
    transformers shows whole; where the checkpoint's films are limited (see film_rows.py), it samples
    them as arrays."""
    messages, lists, more = copy.deepcopy(messages), [], {}
    for message in messages:
        for part in message["content"]:
            if part["type"] == "video":
                frames, fps = frames_of(part["video"])
                lists.append((len(frames), fps))
                part["video"] = array_of(frames) if checkpoint.film else frames
    if lists:
        more["processor_kwargs"] = {"videos_kwargs": {
            "do_sample_frames": bool(checkpoint.film), **checkpoint.film, "video_metadata": [
                {"total_num_frames": count, "fps": fps, "frames_indices": list(range(count))}
                for count, fps in lists]}}
    out = checkpoint.processor.apply_chat_template(messages, tokenize=True, return_dict=True,
                                                   return_tensors="pt",
                                                   add_generation_prompt=prompt, **more)
    return {key: out[key] for key in family.inputs if key in out}


CONVERSATIONS = {
    "film": [turn("user", film("walk"), text("What happens in it?")),
             turn("assistant", text("Nothing moves; 빨간 원."))],
    "films": [turn("user", text("Compare "), film("short", 12), text(" and "), film("long", 0.5),
                   text(".")),
              turn("assistant", text("The second one is longer.")),
              turn("user", film("short"), text("And this?")),
              turn("assistant", text("It is the first again."))],
    # more steps than a frame has rows or columns: its end lies behind the text that follows
    "march": [turn("user", film("march", 0.5), text("How far do they go?")),
              turn("assistant", text("All the way; 호수 위로."))],
    "still": [turn("user", film("still"), text("What is it?")), turn("assistant", text("One."))],
    "film-and-picture": [turn("user", image("photo.png"), film("short"), image("tall.png"),
                              film("walk", listed=True), text("Which picture is in the film?")),
                         turn("assistant", text("The first, and 하나 more."))],
    # of families whose reference takes one film a row, or none beside pictures
    "one-film": [turn("user", image("photo.png"), film("short", 12), image("tall.png"),
                      text("Which picture is in the film?")),
                 turn("assistant", text("The first, and 하나 more."))],
}


def resolved(messages, folder: Path):
    """The same with paths that both sides can open."""
    def whole(value):
        if isinstance(value, dict):
            return {**value, "path": str(folder / value["path"])}
        if isinstance(value, list):
            return [str(folder / each) for each in value]
        return str(folder / value)

    keys = {"image": "path", "video": "video"}
    return [{"role": message["role"],
             "content": [{**part, keys[part["type"]]: whole(part[keys[part["type"]]])}
                         if part["type"] in keys else dict(part) for part in message["content"]]}
            for message in messages]


def write_inputs(folder: Path):
    """Pictures, films and the conversations, with and without their last answer."""
    write_pictures(folder)
    write_films(folder)
    for name, messages in CONVERSATIONS.items():
        for ending, turns in (("json", messages), ("prompt.json", messages[:-1])):
            (folder / f"{name}.{ending}").write_text(json.dumps({"messages": turns},
                                                                ensure_ascii=False))
    return folder
