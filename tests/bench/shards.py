# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights drawn straight into a checkpoint's safetensors files, a block at a time, so that a model
of any size takes seconds and no memory to make. Values are of no use but finite and small."""
import json
import math
from pathlib import Path

import numpy

SHARD = 1 << 30             # bytes; a larger tensor has a file of its own
BLOCK = 1 << 20             # numbers that are drawn for a tensor and then repeated


def bfloat16(numbers):
    """The upper halves of float32."""
    return (numbers.astype(numpy.float32).view(numpy.uint32) >> 16).astype(numpy.uint16)


def split(shapes):
    """{name: shape} as a list of such, each for one file."""
    shards, room = [{}], SHARD
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        if size > room and shards[-1]:
            shards.append({})
            room = SHARD
        shards[-1][name] = shape
        room -= size
    return shards


def write(folder: Path, shapes, scale_of=lambda name: None):
    """model-0000N-of-0000M.safetensors and their index, all bfloat16. `scale_of(name)`: what a
    norm's weights are around; None draws normal(0, 0.02)."""
    draw, weight_map, total = numpy.random.default_rng(3), {}, 0
    shards = split(shapes)
    for index, shard in enumerate(shards):
        file = f"model-{index + 1:05d}-of-{len(shards):05d}.safetensors"
        header, at = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in shard.items():
            end = at + 2 * math.prod(shape)
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
            weight_map[name], at = file, end
        total += at
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / file, "wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for name, shape in shard.items():
                count, around = math.prod(shape), scale_of(name)
                numbers = draw.standard_normal(min(count, BLOCK), numpy.float32) * 0.02
                block = bfloat16(numbers if around is None else numbers + around)
                for start in range(0, count, BLOCK):
                    out.write(memoryview(block[:min(BLOCK, count - start)]))
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}))
