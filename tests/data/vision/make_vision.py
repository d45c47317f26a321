# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what Pillow and transformers' Pillow backend make of small pictures: pictures of every
mode and their RGB pixels, resampled
sizes, and pixel_values under many configurations; and the picture fuzzer's seeds. Pixels are kept
as the first 16 digits of their SHA-256. Run in this folder."""
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
    sizes = [((7, 5), (3, 9)), ((17, 23), (16, 16)), ((64, 48), (33, 25)), ((33, 77), (100, 31)),
             ((100, 3), (7, 90)), ((1, 1), (5, 4)),
             ((5, 4), (1, 1)), ((40, 30), (40, 11)), ((40, 30), (13, 30)), ((200, 150), (24, 18)),
             ((31, 31), (62, 62)), ((97, 61), (96, 62)),
             ((250, 2), (3, 3)), ((19, 200), (5, 224)), ((695, 87), (432, 48))]
    rows = []
    for (width, height), (to_width, to_height) in sizes:
        for smooth in (False, True):
            pixels = noise(width, height, seed=width * 1000 + height)
            if smooth:
                pixels = (pixels // 16 + (np.arange(width,
                                                    dtype=np.int64)[None, :, None] * 200 // width)).astype(np.uint8)
            image = Image.fromarray(pixels)
            for number in range(6):
                out = np.array(image.resize((to_width, to_height), number))
                rows.append([width, height, to_width, to_height, int(smooth), number, digest(out)])
    return rows


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width, height, depth, color, rows, extra=b"", late=b""):
    data = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR",
                                             struct.pack(">IIBBBBB", width, height, depth, color, 0,
                                                         0, 0)) + extra +
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
    photo = Image.fromarray(np.stack([xx * 7, yy * 9, (xx + yy) * 4],
                                     axis=-1).clip(0, 255).astype(np.uint8))
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
    save("gray16.png", Image.fromarray((noise(12, 6, 1, seed=8)[...,
                                                                0].astype(np.uint16) * 5 - 40).astype(np.uint16)))
    save("clear_color.png", rgb, transparency=(1, 2, 3))
    wide = noise(8, 5, 6, seed=9)
    files["rgb16.png"] = raw_png(8, 5, 16, 2, [row.tobytes() for row in wide])
    files["rgba16.png"] = raw_png(6, 5, 16, 6, [row.tobytes() for row in noise(6, 5, 8, seed=10)])
    files["gray_alpha16.png"] = raw_png(6, 5, 16, 4,
                                        [row.tobytes() for row in noise(6, 5, 4, seed=11)])
    files["gray2.png"] = raw_png(9, 4, 2, 0, [row.tobytes() for row in noise(3, 4, 1, seed=12)])
    files["gray4.png"] = raw_png(9, 4, 4, 0, [row.tobytes() for row in noise(5, 4, 1, seed=13)])
    palette = png_chunk(b"PLTE", bytes(range(0, 30)))
    files["short_palette.png"] = raw_png(9, 4, 4, 3,
                                         [row.tobytes() for row in noise(5, 4, 1, seed=14)],
                                         palette)
    files["palette1.png"] = raw_png(9, 2, 1, 3, [b"\xa5\x80", b"\x5a\x00"],
                                    png_chunk(b"PLTE", bytes([9, 8, 7, 200, 100, 50])))
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.png", rgb, exif=exif)
    tiff = exif.tobytes()[6:]
    files["turned_late.png"] = raw_png(8, 5, 16, 2, [row.tobytes() for row in wide],
                                       late=png_chunk(b"eXIf", tiff))
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    files["turned_xmp.png"] = raw_png(8, 5, 16, 2, [row.tobytes() for row in wide],
                                      png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))

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
    save("animated.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True,
         duration=10)
    files |= gifs(rgb, gray, frames) | bitmaps(rgb, rgba, gray) | tiffs(rgb, rgba, gray, photo)
    return files


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def gifs(rgb, gray, frames):
    files = {
        "colours.gif": encoded(rgb.quantize(200), "GIF", interlace=0),
        "gray.gif": encoded(gray, "GIF"),
        "interlaced.gif": encoded(rgb.quantize(31), "GIF", interlace=1),
        "bit.gif": encoded(gray.convert("1"), "GIF"),
        "clear.gif": encoded(rgb.quantize(9), "GIF", transparency=3),
        "animated.gif": encoded(
            frames[0],
            "GIF",
            save_all=True,
            append_images=frames[1:],
            duration=10,
            comment=b"two frames",
        ),
    }
    large = Image.fromarray(noise(90, 70, seed=30)).quantize(256)  # more than 4096 codes
    files["large.gif"] = encoded(large, "GIF")
    # the same frame beside the origin of a larger canvas, and leaving a smaller one
    for name, width, height, left, top in (
        ("beside.gif", 30, 25, 5, 7),
        ("leaving.gif", 10, 9, 2, 1),
    ):
        data = bytearray(files["clear.gif"])
        data[6:10] = struct.pack("<HH", width, height)
        at = data.index(b"\x2c\0\0\0\0")
        data[at + 1 : at + 5] = struct.pack("<HH", left, top)
        files[name] = bytes(data)
    return files


def raw_bmp(width, height, bits, pixels, palette=b"", compression=0, masks=b"", colours=0):
    start = 14 + 40 + len(masks) + len(palette)
    head = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, colours, 0
    )
    return (
        b"BM"
        + struct.pack("<IHHI", start + len(pixels), 0, 0, start)
        + head
        + masks
        + palette
        + pixels
    )


def bitmaps(rgb, rgba, gray):
    files = {
        "rgb.bmp": encoded(rgb, "BMP"),
        "rgba.bmp": encoded(rgba, "BMP"),
        "gray.bmp": encoded(gray, "BMP"),
        "bit.bmp": encoded(gray.convert("1"), "BMP"),
        "palette.bmp": encoded(rgb.quantize(19), "BMP"),
    }
    colours = bytes(noise(16, 1, 4, seed=31).reshape(-1))
    files["palette4.bmp"] = raw_bmp(9, 5, 4, bytes(noise(8, 5, 1, seed=32).reshape(-1)), colours)
    files["short_palette.bmp"] = raw_bmp(
        9, 5, 4, bytes(noise(8, 5, 1, seed=32).reshape(-1)), colours[:20], colours=5
    )
    files["palette1.bmp"] = raw_bmp(
        11, 3, 1, bytes(noise(4, 3, 1, seed=33).reshape(-1)), colours[:8]
    )
    files["from_top.bmp"] = raw_bmp(5, -4, 24, bytes(noise(16, 4, 1, seed=34).reshape(-1)))
    files["five_bits.bmp"] = raw_bmp(7, 4, 16, bytes(noise(16, 4, 1, seed=35).reshape(-1)))
    files["six_bits.bmp"] = raw_bmp(
        7,
        4,
        16,
        bytes(noise(16, 4, 1, seed=36).reshape(-1)),
        compression=3,
        masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F),
    )
    files["masks.bmp"] = raw_bmp(
        4,
        3,
        32,
        bytes(noise(16, 3, 1, seed=37).reshape(-1)),
        compression=3,
        masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00),
    )
    runs = bytes(
        [3, 5, 0, 4, 9, 2, 7, 1, 0, 0, 2, 8, 0, 2, 3, 0, 2, 1, 0, 0, 7, 6, 0, 0, 7, 3, 0, 1]
    )
    files["runs.bmp"] = raw_bmp(7, 4, 8, runs, colours * 16, compression=1)
    nibbles = bytes(
        [5, 0x2D, 2, 0x41, 0, 0, 0, 5, 0x12, 0x34, 0x50, 0, 2, 0x77, 0, 0, 7, 0x9A, 0, 1]
    )
    files["nibbles.bmp"] = raw_bmp(7, 3, 4, nibbles, colours, compression=2)
    return files


def tiffs(rgb, rgba, gray, photo):
    wide = noise(9, 7, 2, seed=40).reshape(-1).view("<u2").reshape(7, 9)
    files = {
        "rgb.tiff": encoded(rgb, "TIFF"),
        "rgba.tiff": encoded(rgba, "TIFF"),
        "gray.tiff": encoded(gray, "TIFF"),
        "bit.tiff": encoded(gray.convert("1"), "TIFF"),
        "palette.tiff": encoded(rgb.quantize(23), "TIFF"),
        "cmyk.tiff": encoded(Image.fromarray(noise(13, 11, 4, seed=15), "CMYK"), "TIFF"),
        "gray16.tiff": encoded(Image.fromarray((wide // 90).astype(np.uint16)), "TIFF"),
        "whole.tiff": encoded(Image.fromarray(wide.astype(np.int32) - 30000), "TIFF"),
        "real.tiff": encoded(Image.fromarray(wide.astype(np.float32) / 150 - 20), "TIFF"),
        "gray_alpha.tiff": encoded(Image.fromarray(noise(9, 7, 2, seed=7), "LA"), "TIFF"),
        "group4.tiff": encoded(gray.convert("1"), "TIFF", compression="group4"),
        "jpeg.tiff": encoded(photo, "TIFF", compression="jpeg", quality=90),
        "big.tiff": encoded(rgb, "TIFF", big_tiff=True),
    }
    for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"):
        files[packing + ".tiff"] = encoded(rgb, "TIFF", compression=packing)
    files["strips.tiff"] = encoded(photo, "TIFF", compression="tiff_lzw", strip_size=35 * 3 * 4)
    exif = Image.Exif()
    exif[0x0112] = 6
    files["turned.tiff"] = encoded(rgb, "TIFF", exif=exif)
    files["pages.tiff"] = encoded(rgb, "TIFF", save_all=True, append_images=[gray])
    files["clear_white.tiff"] = raw_tiff(5, 4, [8], bytes(noise(5, 4, 1, seed=41).reshape(-1)), 0)
    files["rgb16.tiff"] = raw_tiff(6, 5, [16] * 3, noise(6, 5, 6, seed=42).tobytes(), 2)
    files["rgb16_other_order.tiff"] = raw_tiff(
        6, 5, [16] * 3, noise(6, 5, 6, seed=42).tobytes(), 2, order=">"
    )
    files["times_alpha.tiff"] = raw_tiff(
        6,
        5,
        [8] * 4,
        (noise(6, 5, 4, seed=43) // np.array([3, 3, 3, 1], dtype=np.uint8)).tobytes(),
        2,
        extra=1,
    )
    files["planes.tiff"] = raw_tiff(6, 5, [8] * 3, noise(6, 5, 3, seed=44).tobytes(), 2, planes=3)
    files["tiles.tiff"] = raw_tiff(20, 18, [8] * 3, noise(16, 64, 3, seed=45).tobytes(), 2, tile=16)
    files["four_bits.tiff"] = raw_tiff(7, 5, [4], noise(4, 5, 1, seed=46).tobytes(), 1)
    return files


def raw_tiff(width, height, bits, data, photometric, order="<", extra=None, planes=1, tile=0):
    """One page, its pixels first and its directory at the end."""
    data += b"\0" * (len(data) % 2)
    after = 8 + len(data)
    values, tags = b"", {}

    def tag(number, kind, items):
        nonlocal values
        packed = struct.pack(order + str(len(items)) + ("H" if kind == 3 else "I"), *items)
        if len(packed) > 4:
            tags[number] = (kind, len(items), struct.pack(order + "I", after + len(values)))
            values += packed
        else:
            tags[number] = (kind, len(items), packed.ljust(4, b"\0"))

    tag(256, 4, [width])
    tag(257, 4, [height])
    tag(258, 3, bits)
    tag(259, 3, [1])
    tag(262, 3, [photometric])
    tag(277, 3, [len(bits)])
    parts = ((width + tile - 1) // tile) * ((height + tile - 1) // tile) if tile else planes
    size = len(data) // parts
    if tile:
        tag(322, 4, [tile])
        tag(323, 4, [tile])
    else:
        tag(278, 4, [height])
    tag(324 if tile else 273, 4, [8 + i * size for i in range(parts)])
    tag(325 if tile else 279, 4, [size] * parts)
    if planes > 1:
        tag(284, 3, [2])
    if extra is not None:
        tag(338, 3, [extra])
    directory = struct.pack(order + "H", len(tags))
    for number in sorted(tags):
        kind, count, value = tags[number]
        directory += struct.pack(order + "HHI", number, kind, count) + value
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, after + len(values))
    return head + data + values + directory + b"\0\0\0\0"


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
        (clip, {}), (clip, small), (clip, {**small, "resample": 2}),
        (clip, {**small, "resample": 1, "do_normalize": False}),
        (clip, {**small, "crop_size": 37}), (clip,
                                             {"size": 28,
                                              "crop_size": {"height": 17, "width": 33}}),
        (clip, {**small, "do_center_crop": False}), (clip, {**small, "do_resize": False}),
        (clip, {**small, "do_rescale": False}),
        (clip, {**small, "do_rescale": False, "do_normalize": False}),
        (clip, {**small, "rescale_factor": 0.01, "image_mean": 0.3, "image_std": 0.7}),
        (clip, {"size": {"height": 20, "width": 44}, "do_center_crop": False}),
        (clip, {"size": [20, 44], "do_center_crop": False}),
        (clip, {"size": {"shortest_edge": 20, "longest_edge": 25}, "do_center_crop": False}),
        (clip, {"size": {"shortest_edge": 21, "longest_edge": 300}, "do_center_crop": False}),
        (clip, {"size": {"max_height": 40, "max_width": 31}, "do_center_crop": False}),
        (clip, {**small, "do_pad": True, "pad_size": {"height": 40, "width": 36}}),
        (clip, {"size": {"shortest_edge": 24}, "use_square_size": True, "do_center_crop": False}),
        (siglip, {}), (siglip, {"size": {"height": 48, "width": 40}}), (siglip, {"size": 48}),
        (siglip, {"size": {"height": 32, "width": 32}, "resample": 0}),
        (llava, small), (llava, {**small, "do_pad": True}),
        (llava, {**small, "do_pad": True, "size": {"shortest_edge": 41}}),
    ]
    rows = []
    for kind, options in cases:
        processor = kind(**options)
        for width, height in ((50, 37), (29, 64), (33, 33), (20, 90)):
            image = Image.fromarray(noise(width, height, seed=width * 1000 + height))
            values = np.asarray(processor(images=image)["pixel_values"][0], dtype=np.float32)
            # the configuration as the user wrote it, under the names folders carry
            rows.append({"config": {"image_processor_type": kind.__name__.removesuffix("Pil"),
                                    **options}, "width": width, "height": height,
                         "shape": [1, *values.shape], "digest": digest(values),
                         "first": float(values.reshape(-1)[0])})
    return rows


def main():
    files = pictures()
    seeds = Path("../../fuzz/seeds/picture")
    seeds.mkdir(parents=True, exist_ok=True)
    for name in (
        "palette_alpha.png",
        "gray2.png",
        "turned_xmp.png",
        "progressive.jpg",
        "ycck.jpg",
        "turned6.jpg",
        "alpha.webp",
        "animated.webp",
        "interlaced.gif",
        "beside.gif",
        "runs.bmp",
        "six_bits.bmp",
        "palette4.bmp",
        "tiff_lzw.tiff",
        "tiles.tiff",
        "palette.tiff",
        "planes.tiff",
        "big.tiff",
        "jpeg.tiff",
        "group4.tiff",
    ):
        (seeds / name).write_bytes(files[name])
    packed = {name: data.hex() for name, data in sorted(files.items())}
    with open("pictures.json", "w") as stream:
        json.dump(packed, stream, indent=0)
    for name, rows in (("resampled", resamples()), ("decoded", decoded(files)),
                       ("processed", processed())):
        with open(f"{name}.json", "w") as stream:
            items = rows.items() if isinstance(rows, dict) else rows
            text = [f"{json.dumps(k)}: {json.dumps(v)}"
                    for k, v in items] if isinstance(rows, dict) else [json.dumps(r) for r in items]
            opening, closing = ("{", "}") if isinstance(rows, dict) else ("[", "]")
            stream.write(opening + "\n" + ",\n".join(text) + "\n" + closing + "\n")


if __name__ == "__main__":
    main()
