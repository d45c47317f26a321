# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what Pillow and transformers' Pillow backend make of small pictures: pictures of every mode and their RGB pixels, resampled
sizes, and pixel_values under many configurations; and the picture fuzzer's seeds. Pixels are kept as the first 16 digits of their SHA-256. Run in this folder."""
import hashlib
import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def noise(width, height, channels=3, seed=1):
    """The same bytes as noise() in the tests: the high byte of a linear congruence."""
    count = width * height * channels
    state, out = seed & 0xFFFFFFFF, np.empty(count, dtype=np.uint8)
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = state >> 24
    return out.reshape(height, width, channels)


def resamples():
    sizes = [((7, 5), (3, 9)), ((17, 23), (16, 16)), ((64, 48), (33, 25)), ((33, 77), (100, 31)), ((100, 3), (7, 90)), ((1, 1), (5, 4)),
             ((5, 4), (1, 1)), ((40, 30), (40, 11)), ((40, 30), (13, 30)), ((200, 150), (24, 18)), ((31, 31), (62, 62)), ((97, 61), (96, 62)),
             ((250, 2), (3, 3)), ((19, 200), (5, 224)), ((695, 87), (432, 48))]
    rows = []
    for (width, height), (to_width, to_height) in sizes:
        for smooth in (False, True):
            pixels = noise(width, height, seed=width * 1000 + height)
            if smooth:
                pixels = (pixels // 16 + (np.arange(width, dtype=np.int64)[None, :, None] * 200 // width)).astype(np.uint8)
            image = Image.fromarray(pixels)
            for number in range(6):
                out = np.array(image.resize((to_width, to_height), number))
                rows.append([width, height, to_width, to_height, int(smooth), number, digest(out)])
    return rows


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width, height, depth, color, rows, extra=b"", late=b""):
    data = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)) + extra +
            png_chunk(b"IDAT", zlib.compress(data)) + late + png_chunk(b"IEND", b""))


def pictures():
    """name → bytes"""
    files = {}

    def save(name, image, **options):
        stream = io.BytesIO()
        image.save(stream, name.rsplit(".", 1)[1].replace("jpg", "jpeg"), **options)
        files[name] = stream.getvalue()

    rgb = Image.fromarray(noise(21, 13))
    # noise is all detail; this is a picture that compresses as photographs do
    yy, xx = np.mgrid[0:27, 0:35]
    photo = Image.fromarray(np.stack([xx * 7, yy * 9, (xx + yy) * 4], axis=-1).clip(0, 255).astype(np.uint8))
    rgba = Image.fromarray(noise(11, 9, 4, seed=5), "RGBA")
    gray = Image.fromarray(noise(14, 10, 1, seed=6)[..., 0], "L")
    save("rgb.png", rgb)
    save("rgba.png", rgba)
    save("gray.png", gray)
    save("gray_alpha.png", Image.fromarray(noise(9, 7, 2, seed=7), "LA"))
    save("bit.png", gray.convert("1"))
    save("palette.png", rgb.quantize(17))
    save("palette_alpha.png", rgba.quantize(9), transparency=bytes(range(0, 90, 10)))
    save("palette_clear.png", rgb.quantize(4), transparency=1)
    save("gray16.png", Image.fromarray((noise(12, 6, 1, seed=8)[..., 0].astype(np.uint16) * 5 - 40).astype(np.uint16)))
    save("clear_color.png", rgb, transparency=(1, 2, 3))
    wide = noise(8, 5, 6, seed=9)
    files["rgb16.png"] = raw_png(8, 5, 16, 2, [row.tobytes() for row in wide])
    files["rgba16.png"] = raw_png(6, 5, 16, 6, [row.tobytes() for row in noise(6, 5, 8, seed=10)])
    files["gray_alpha16.png"] = raw_png(6, 5, 16, 4, [row.tobytes() for row in noise(6, 5, 4, seed=11)])
    files["gray2.png"] = raw_png(9, 4, 2, 0, [row.tobytes() for row in noise(3, 4, 1, seed=12)])
    files["gray4.png"] = raw_png(9, 4, 4, 0, [row.tobytes() for row in noise(5, 4, 1, seed=13)])
    palette = png_chunk(b"PLTE", bytes(range(0, 30)))
    files["short_palette.png"] = raw_png(9, 4, 4, 3, [row.tobytes() for row in noise(5, 4, 1, seed=14)], palette)
    files["palette1.png"] = raw_png(9, 2, 1, 3, [b"\xa5\x80", b"\x5a\x00"], png_chunk(b"PLTE", bytes([9, 8, 7, 200, 100, 50])))
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.png", rgb, exif=exif)
    tiff = exif.tobytes()[6:]
    files["turned_late.png"] = raw_png(8, 5, 16, 2, [row.tobytes() for row in wide], late=png_chunk(b"eXIf", tiff))
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    files["turned_xmp.png"] = raw_png(8, 5, 16, 2, [row.tobytes() for row in wide], png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))

    save("420.jpg", photo, quality=80, subsampling=2)
    save("422.jpg", photo, quality=80, subsampling=1)
    save("444.jpg", photo, quality=95, subsampling=0)
    save("noise.jpg", rgb, quality=70)
    save("progressive.jpg", photo, quality=75, progressive=True)
    save("gray.jpg", gray, quality=85)
    save("cmyk.jpg", Image.fromarray(noise(13, 11, 4, seed=15), "CMYK"), quality=90)
    save("keep_rgb.jpg", photo, quality=90, keep_rgb=True)
    save("restarts.jpg", photo, quality=60, restart_marker_blocks=2)
    # the same four channels said to be YCCK: Adobe's transform byte is the last of its segment
    ycck = bytearray(files["cmyk.jpg"])
    at = ycck.index(b"Adobe") + 11
    ycck[at] = 2
    files["ycck.jpg"] = bytes(ycck)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"turned{orientation}.jpg", photo, quality=50, exif=exif)
    big = Image.Exif()
    big.endian = ">"
    big[0x0112] = 3
    save("turned_big_endian.jpg", photo, quality=50, exif=big)
    save("turned_xmp.jpg", photo, quality=50, xmp=xmp)

    save("lossy.webp", photo, quality=70)
    save("lossless.webp", rgb, lossless=True)
    save("alpha.webp", rgba, quality=80)
    save("lossless_alpha.webp", rgba, lossless=True, exact=True)
    exif = Image.Exif()
    exif[0x0112] = 5
    save("turned.webp", photo, quality=60, exif=exif)
    frames = [Image.fromarray(noise(12, 9, 3, seed=s)) for s in (20, 21)]
    save("animated.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True, duration=10)
    return files


def decoded(files):
    rows = {}
    for name, data in sorted(files.items()):
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        rows[name] = [image.width, image.height, digest(np.array(image))]
    return rows


def processed():
    clip, siglip, llava = CLIPImageProcessorPil, SiglipImageProcessorPil, LlavaImageProcessorPil
    small = {"crop_size": {"height": 30, "width": 30}, "size": {"shortest_edge": 30}}
    cases = [
        (clip, {}), (clip, small), (clip, {**small, "resample": 2}), (clip, {**small, "resample": 1, "do_normalize": False}),
        (clip, {**small, "crop_size": 37}), (clip, {"size": 28, "crop_size": {"height": 17, "width": 33}}),
        (clip, {**small, "do_center_crop": False}), (clip, {**small, "do_resize": False}), (clip, {**small, "do_rescale": False}),
        (clip, {**small, "do_rescale": False, "do_normalize": False}), (clip, {**small, "rescale_factor": 0.01, "image_mean": 0.3, "image_std": 0.7}),
        (clip, {"size": {"height": 20, "width": 44}, "do_center_crop": False}), (clip, {"size": [20, 44], "do_center_crop": False}),
        (clip, {"size": {"shortest_edge": 20, "longest_edge": 25}, "do_center_crop": False}),
        (clip, {"size": {"shortest_edge": 21, "longest_edge": 300}, "do_center_crop": False}),
        (clip, {"size": {"max_height": 40, "max_width": 31}, "do_center_crop": False}),
        (clip, {**small, "do_pad": True, "pad_size": {"height": 40, "width": 36}}),
        (clip, {"size": {"shortest_edge": 24}, "use_square_size": True, "do_center_crop": False}),
        (siglip, {}), (siglip, {"size": {"height": 48, "width": 40}}), (siglip, {"size": 48}), (siglip, {"size": {"height": 32, "width": 32}, "resample": 0}),
        (llava, small), (llava, {**small, "do_pad": True}), (llava, {**small, "do_pad": True, "size": {"shortest_edge": 41}}),
    ]
    rows = []
    for kind, options in cases:
        processor = kind(**options)
        for width, height in ((50, 37), (29, 64), (33, 33), (20, 90)):
            image = Image.fromarray(noise(width, height, seed=width * 1000 + height))
            values = np.asarray(processor(images=image)["pixel_values"][0], dtype=np.float32)
            # the configuration as the user wrote it, under the names folders carry
            rows.append({"config": {"image_processor_type": kind.__name__.removesuffix("Pil"), **options}, "width": width, "height": height,
                         "shape": [1, *values.shape], "digest": digest(values), "first": float(values.reshape(-1)[0])})
    return rows


def main():
    files = pictures()
    seeds = Path("../../fuzz/seeds/picture")
    seeds.mkdir(parents=True, exist_ok=True)
    for name in ("palette_alpha.png", "gray2.png", "turned_xmp.png", "progressive.jpg", "ycck.jpg", "turned6.jpg", "alpha.webp", "animated.webp"):
        (seeds / name).write_bytes(files[name])
    packed = {name: data.hex() for name, data in sorted(files.items())}
    with open("pictures.json", "w") as stream:
        json.dump(packed, stream, indent=0)
    for name, rows in (("resampled", resamples()), ("decoded", decoded(files)), ("processed", processed())):
        with open(f"{name}.json", "w") as stream:
            items = rows.items() if isinstance(rows, dict) else rows
            text = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in items] if isinstance(rows, dict) else [json.dumps(r) for r in items]
            opening, closing = ("{", "}") if isinstance(rows, dict) else ("[", "]")
            stream.write(opening + "\n" + ",\n".join(text) + "\n" + closing + "\n")


if __name__ == "__main__":
    main()
