# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small films into films/ and what torchcodec, by which transformers opens films' files, reads
of them into film_files.json: how many frames, how many a second and for how long, and some frames as
8-bit RGB by their digests. Needs torchcodec over the FFmpeg that the program is built with (5.1):
other versions convert colours otherwise. Run in this folder; `--read` leaves the films as they are."""
import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from make_vision import digest
from torchcodec.decoders import VideoDecoder
from torchcodec.encoders import VideoEncoder

FOLDER = Path("films")
SHOWN = [0, 1, 7, 8, 22, 30]
FILMS = {
    "h264.mp4": dict(size=(48, 64), rate=12, codec="libx264", crf=28,
                     extra_options={"g": "10", "bf": "2"}),
    "bt709.mkv": dict(size=(38, 50), rate=30000 / 1001, codec="libx264", crf=28,
                      extra_options={"g": "12", "colorspace": "bt709", "color_range": "tv"}),
    "mpeg4.avi": dict(size=(36, 44), rate=25, codec="mpeg4", crf=None,
                      extra_options={"g": "9", "bf": "0"}),
    "mjpeg.mov": dict(size=(30, 42), rate=10, codec="mjpeg", crf=None, extra_options={}),
    "vp9.webm": dict(size=(40, 56), rate=24, codec="libvpx-vp9", crf=45,
                     extra_options={"g": "15", "threads": "1"}),
}
# What a player does with (x, y), in the boxes' fixed point: a quarter to the right.
QUARTER = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)


def moving(height, width, count=31):
    y, x, t = np.meshgrid(np.arange(height), np.arange(width), np.arange(count), indexing="ij")
    planes = [128 + 100 * np.sin(x / 9 + t / 5), 128 + 100 * np.sin(y / 7 - t / 8),
              128 + 100 * np.sin((x + y) / 13 + t / 3)]
    return torch.from_numpy(np.stack(planes).transpose(3, 0, 1, 2).round().astype(np.uint8))


def turned(film):
    at = film.index(b"tkhd") + 4 + 4 + 4 * 5 + 8 + 8
    return film[:at] + QUARTER + film[at + 36:]


def write():
    FOLDER.mkdir(exist_ok=True)
    for name, made in FILMS.items():
        made = dict(made)
        film = moving(*made.pop("size"))
        VideoEncoder(film, frame_rate=made.pop("rate")).to_file(
            str(FOLDER / name), pixel_format=None, **made)
    (FOLDER / "turned.mp4").write_bytes(turned((FOLDER / "h264.mp4").read_bytes()))


def read():
    rows = []
    for path in sorted(FOLDER.iterdir()):
        film = VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=1)
        about = film.metadata
        frames = film.get_frames_at(indices=SHOWN).data.permute(0, 2, 3, 1).contiguous().numpy()
        rows.append({"file": path.name, "frames": about.num_frames, "fps": about.average_fps,
                     "seconds": about.duration_seconds, "size": list(frames.shape[2:0:-1]),
                     "digests": {str(i): digest(frame) for i, frame in zip(SHOWN, frames)}})
    return rows


if __name__ == "__main__":
    if "--read" not in sys.argv:
        write()
    with open("film_files.json", "w") as stream:
        stream.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in read())
                     + "\n]\n")
