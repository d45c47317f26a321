# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of boxes: what `data show` makes of them, beside transformers' processors given the conversation that the model's own tools would write. The numbers
are made here by those tools: Florence2PostProcessor's quantize, the size that the picture processor says in image_grid_thw, big_vision's and Qwen's rounding.
Florence-2's answer is parsed back by post_process_generation. Runs on such rows are those on the conversations, to the byte."""
import json
import shutil

import numpy
import torch
from transformers import AutoTokenizer
from transformers.models.florence2.processing_florence2 import Florence2PostProcessor

from checkpoints import Checkpoint, make
from conversations import SIZES, image, text, turn, write_pictures

# Pictures that processors shrink, stretch and leave; numbers between two pixels, edges, a label of two words and one in Korean.
ROWS = [
    dict(image="photo.png", boxes=[dict(label="red cube", box=[3, 5.5, 60.25, 61]), dict(label="ball", box=[0, 0, 97, 61])]),
    dict(image="tall.png", boxes=[dict(label="빨간 원", box=[1.5, 17, 12.9, 89.99])]),
    dict(image="big.png", question="Where are they?", boxes=[dict(label="cat", box=[10, 20, 30, 40]), dict(label="cat", box=[100.5, 200.25, 211, 340]),
                                                             dict(label="old boat", box=[0.1, 0.2, 0.9, 339])]),
]


def nearest(box, sizes, sides, most=None):
    """Python's round of each corner; `sides` numbers a side."""
    return [min(round(corner / sizes[i % 2] * sides), sides if most is None else most) for i, corner in enumerate(box)]


def paligemma(checkpoint, boxes, size, inputs):
    def tokens(box):
        shares = numpy.array([box[1] / size[1], box[0] / size[0], box[3] / size[1], box[2] / size[0]], dtype=numpy.float32)
        return "".join(f"<loc{int(number):04d}>" for number in numpy.clip(numpy.round(shares * 1023), 0, 1023))
    return " ; ".join(f"{tokens(each['box'])} {each['label']}" for each in boxes)


def florence2(checkpoint, boxes, size, inputs):
    bins = Florence2PostProcessor(None, checkpoint.processor.tokenizer).quantize(torch.tensor([each["box"] for each in boxes]), size)
    return "".join(each["label"] + "".join(f"<loc_{number}>" for number in own) for each, own in zip(boxes, bins.tolist()))


def qwen2_vl(checkpoint, boxes, size, inputs):
    def corners(box):
        x0, y0, x1, y1 = nearest(box, size, 1000)
        return f"<|box_start|>({x0},{y0}),({x1},{y1})<|box_end|>"
    return "".join(f"<|object_ref_start|>{each['label']}<|object_ref_end|>{corners(each['box'])}" for each in boxes)


def listed(boxes, corners):
    return "[" + ", ".join(f'{{"bbox_2d": {own}, "label": {json.dumps(each["label"], ensure_ascii=False)}}}' for each, own in zip(boxes, corners)) + "]"


def qwen2_5_vl(checkpoint, boxes, size, inputs):
    patch = checkpoint.processor.image_processor.patch_size
    _, rows, columns = inputs["image_grid_thw"][0].tolist()
    seen = (columns * patch, rows * patch)
    return listed(boxes, [[min(round(corner * (seen[i % 2] / size[i % 2])), seen[i % 2] - 1) for i, corner in enumerate(each["box"])] for each in boxes])


def thousandths(checkpoint, boxes, size, inputs):
    return listed(boxes, [nearest(each["box"], size, 1000) for each in boxes])


def internvl(checkpoint, boxes, size, inputs):
    labels = list(dict.fromkeys(each["label"] for each in boxes))
    return "".join(f"<ref>{label}</ref><box>{[nearest(each['box'], size, 1000) for each in boxes if each['label'] == label]}</box>" for label in labels)


def named(boxes, between=", ", around="{}"):
    return between.join(around.format(label) for label in dict.fromkeys(each["label"] for each in boxes))


LOCATIONS = [f"<loc{number:04d}>" for number in range(1024)]
BINS = [f"<loc_{number}>" for number in range(1000)]
REFERENCES = ["<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>"]
NOTATIONS = {    # checkpoint: answer, question, tokens that the published tokenizers have, whether they are special there
    "paligemma-plain": (paligemma, lambda boxes: "detect " + named(boxes, " ; "), LOCATIONS, False),
    "florence2-plain": (florence2, lambda boxes: "<OD>", BINS, True),
    "qwen2_vl-plain": (qwen2_vl, lambda boxes: "Detect the bounding boxes of: " + named(boxes), REFERENCES, True),
    "qwen2_5_vl-windows": (qwen2_5_vl, lambda boxes: "Report bbox coordinates in JSON format of " + named(boxes), [], False),
    "qwen3_vl-plain": (thousandths, lambda boxes: "Report bbox coordinates in JSON format of " + named(boxes), [], False),
    "internvl-plain": (internvl, lambda boxes: "Please provide the bounding boxes of: " + named(boxes, around="<ref>{}</ref>"),
                       ["<ref>", "</ref>", "<box>", "</box>"], True),
    "smolvlm-plain": (thousandths, lambda boxes: "Report bbox coordinates in JSON format of " + named(boxes), [], False),
}
DAILY = ("paligemma-plain", "florence2-plain", "qwen2_vl-plain", "qwen2_5_vl-windows", "internvl-plain")


def with_tokens(checkpoint, scratch, tokens, special):
    """The checkpoint's files for rows, its tokenizer with the tokens of places."""
    if not tokens:
        return checkpoint
    folder = scratch / f"{checkpoint.name}-places"
    shutil.copytree(checkpoint.path, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(tokens, special_tokens=special)
    tokenizer.save_pretrained(folder)
    return Checkpoint(checkpoint.name, folder, checkpoint.spec, checkpoint.family)


def conversation(checkpoint, row, folder, answer, question):
    place = str(folder / row["image"])
    asked = [turn("user", image(place), text(row.get("question") or question(row["boxes"])))]
    inputs = checkpoint.encode(asked + [turn("assistant", text("x"))])
    return asked + [turn("assistant", text(answer(checkpoint, row["boxes"], SIZES[row["image"]], inputs)))]


def written(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def row_case(name):
    def case(world, result):
        answer, question, tokens, special = NOTATIONS[name]
        checkpoint = with_tokens(make(name, world.checkpoints), world.scratch, tokens, special)
        write_pictures(world.scratch)
        rows = written(world.scratch / "boxes.jsonl", ROWS)
        for number, row in enumerate(ROWS):
            messages = conversation(checkpoint, row, world.scratch, answer, question)
            inputs = checkpoint.example(messages)
            said = world.program.json("data", "show", rows, number + 1, "--model", checkpoint.path, "--max-length", 0, "--json")
            result.same(f"{number}: boxes", said["boxes"], [dict(label=each["label"], box=[float(x) for x in each["box"]]) for each in row["boxes"]])
            own = said["tokens"][-inputs["labels"].shape[1]:]
            if name.startswith("florence2"):
                # The decoder's tokens are shifted there, where labels stand by themselves.
                result.same(f"{number}: answer", [each["id"] for each in own if each["trained"]], [i for i in inputs["labels"][0].tolist() if i != -100])
                back_again(checkpoint, result, number, row, messages[-1]["content"][0]["text"])
                continue
            result.same(f"{number}: ids", [each["id"] for each in said["tokens"]], inputs["input_ids"][0].tolist())
            result.same(f"{number}: labels", [each["id"] if each["trained"] else -100 for each in said["tokens"]], inputs["labels"][0].tolist())
        checked = world.program.json("data", "check", rows, "--model", checkpoint.path, "--json")
        result.same("usable", checked["usable"], len(ROWS))
    return case


def back_again(checkpoint, result, number, row, answer):
    size = SIZES[row["image"]]
    processor = checkpoint.processor
    processor.post_processor = Florence2PostProcessor({"description_with_bboxes": {}}, processor.tokenizer)    # as the published folders configure it
    parsed = processor.post_process_generation(answer, task="<OD>", image_size=size)["<OD>"]
    names = [each["label"].encode("ascii", "ignore").decode() for each in row["boxes"]]
    result.same(f"{number}: labels parsed back", parsed["labels"], names)
    for got, each in zip(parsed["bboxes"], row["boxes"]):
        for i, corner in enumerate(got):    # the middle of its bin, as a whole number
            result.expect(abs(corner - each["box"][i]) <= 1 + size[i % 2] / 1000, f"{number}: {got} of {each['box']}")


def learned_case(name):
    def case(world, result):
        answer, question, _, _ = NOTATIONS[name]
        checkpoint = make(name, world.checkpoints)
        write_pictures(world.scratch)
        told = [dict(messages=conversation(checkpoint, row, world.scratch, answer, question)) for row in ROWS]
        files = dict(boxes=written(world.scratch / "boxes.jsonl", ROWS), told=written(world.scratch / "told.jsonl", told))
        logs = {}
        for kind, file in files.items():
            recipe = dict(model=str(checkpoint.path), objective="sft", strategy="lora", dataset=[str(file)], eval_dataset=[str(file)],
                          output_dir=str(world.scratch / kind), training=dict(max_steps=3, per_device_train_batch_size=2, max_length=0, dtype="float32", seed=3))
            path = world.scratch / f"{kind}.yaml"
            path.write_text(json.dumps(recipe))
            world.program.run("train", path)
            logs[kind] = (world.scratch / kind / "adapter" / "adapter_model.safetensors").read_bytes()
        result.expect(logs["boxes"] == logs["told"], "another adapter came of rows of boxes than of the conversations")
    return case


# BART's norms behind its layers want smaller steps.
BY_HEART = {"florence2-plain": dict(max_steps=400, learning_rate=0.002)}


def answered_case(name):
    """Learned by heart by a tiny model with the tokens of places, rows are answered as they were written, and the boxes that are read of it are theirs."""
    def case(world, result):
        _, _, tokens, special = NOTATIONS[name]
        own = make(name, world.checkpoints)
        checkpoint = with_tokens(own, world.scratch, tokens, special)
        if tokens:
            model = own.model()
            model.resize_token_embeddings(len(AutoTokenizer.from_pretrained(checkpoint.path)), mean_resizing=False)
            for file in checkpoint.path.glob("model*.safetensors*"):
                file.unlink()
            model.save_pretrained(checkpoint.path)
        write_pictures(world.scratch)
        file = written(world.scratch / "boxes.jsonl", ROWS[:2])
        recipe = dict(model=str(checkpoint.path), objective="sft", strategy="full", dataset=[str(file)], output_dir=str(world.scratch / "run"),
                      training=dict(max_steps=150, per_device_train_batch_size=2, gradient_accumulation_steps=1, learning_rate=0.01, max_length=0, dtype="float32")
                      | BY_HEART.get(name, {}))
        path = world.scratch / "answered.yaml"
        path.write_text(json.dumps(recipe))
        world.program.run("train", path)
        world.program.run("compare", world.scratch / "run" / "model", "--samples", file, "--out", world.scratch / "compared", "--max-new-tokens", 200)
        for row in json.loads((world.scratch / "compared" / "comparison.json").read_text())["rows"]:
            scores = row["answers"][0]["scores"]
            result.expect(scores["box"] == 1 and scores["exact"] == 1, f"{row['answers'][0]['text']}: {scores}")
    return case


def judged_case(name):
    """The reward of boxes in a run of GRPO, and compare's score, against rows that a tiny model cannot answer: said, and zero."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        write_pictures(world.scratch)
        file = written(world.scratch / "boxes.jsonl", ROWS)
        recipe = dict(model=str(checkpoint.path), objective="grpo", strategy="lora", dataset=[str(file)], output_dir=str(world.scratch / "run"),
                      grpo=dict(num_generations=2, max_completion_length=4, reward_funcs=["box_overlap"]),
                      training=dict(max_steps=1, per_device_train_batch_size=2, gradient_accumulation_steps=1, max_length=0, dtype="float32"))
        path = world.scratch / "grpo.yaml"
        path.write_text(json.dumps(recipe))
        world.program.run("train", path)
        lines = [json.loads(line) for line in (world.scratch / "run" / "metrics.jsonl").read_text().splitlines()]
        means = [line["rewards/box_overlap/mean"] for line in lines if "rewards/box_overlap/mean" in line]
        result.expect(means and all(mean == 0 for mean in means), f"rewards: {means}")
        world.program.run("compare", checkpoint.path, "--samples", file, "--out", world.scratch / "compared", "--max-new-tokens", 3)
        said = json.loads((world.scratch / "compared" / "comparison.json").read_text())
        result.expect('"box"' in json.dumps(said), "no score of boxes")
    return case


def cases(everything=False):
    names = NOTATIONS if everything else DAILY
    found = {f"boxes/{name}/row": row_case(name) for name in names}
    found["boxes/qwen2_5_vl-windows/learned"] = learned_case("qwen2_5_vl-windows")
    found["boxes/florence2-plain/answered"] = answered_case("florence2-plain")
    if everything:
        found |= {f"boxes/{name}/answered": answered_case(name) for name in NOTATIONS if name != "smolvlm-plain"}    # whose template ends no turn with its end token
        found["boxes/qwen3_vl-plain/learned"] = learned_case("qwen3_vl-plain")
        found["boxes/qwen2_5_vl-windows/judged"] = judged_case("qwen2_5_vl-windows")
    return found
