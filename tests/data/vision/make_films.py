# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what transformers' video processors do with films, to films.json: "chosen", which frames
they sample (their number, and the first 16 digits of the SHA-256 of the indices as int64; null
where they fail), and "processed", pixel values of films of noise by their digests, with the grid.
Where a rule asks for a frame behind the film's last, that one is left out. Run in this folder."""
import json

import numpy as np
from make_vision import digest, noise
from transformers.models.llava_onevision.video_processing_llava_onevision import \
    LlavaOnevisionVideoProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor
from transformers.video_utils import VideoMetadata

TOTALS = [1, 2, 3, 4, 5, 7, 9, 16, 17, 30, 34, 49, 60, 97, 100, 241, 300, 777, 1000, 4095, 5000,
          30011, 100000, 999999, 8640001, 33554433]
CHOICES = ([{"num_frames": n} for n in (1, 2, 3, 4, 5, 7, 8, 13, 14, 16, 30, 32, 50, 63, 256, 768)]
           + [{"fps": f} for f in (0.01, 0.5, 1, 2, 2.997, 24, 60)]
           + [{"fps": 1, "min_frames": 6, "max_frames": 11},
              {"fps": 3, "min_frames": 9, "max_frames": 4},
              {"fps": 2, "temporal_patch_size": 3, "min_frames": 5, "max_frames": 100},
              {"num_frames": 10, "temporal_patch_size": 4},
              {"num_frames": 9, "temporal_patch_size": 1}])
RATES = [23.976, 25, 59.94]
# By the rule's name: who has it, and what it is asked for.
RULES = {
    "even": (LlavaOnevisionVideoProcessor,
             [{"num_frames": n} for n in (1, 2, 3, 5, 8, 14, 32, 49)]
             + [{"fps": f} for f in (0.01, 0.5, 1, 2.997, 24)]),
    "ends": (Qwen3VLVideoProcessor,
             [{"num_frames": n} for n in (1, 2, 3, 5, 8, 14, 32, 63)]
             + [{"fps": f} for f in (0.01, 0.5, 1, 2, 2.997, 24, 60)]
             + [{"fps": 1, "min_frames": 6, "max_frames": 11}, {"min_frames": 6, "max_frames": 11}]),
    "inner": (SmolVLMVideoProcessor,
              [{"num_frames": n, "fps": f} for n in (1, 2, 7, 64) for f in (0.3, 1, 2, 24)]),
}
PROCESSED = [
    ({"min_pixels": 784, "max_pixels": 6272}, (131, 47, 3)),
    ({"min_pixels": 784, "max_pixels": 6272}, (60, 90, 4)),
    ({"size": {"shortest_edge": 3136, "longest_edge": 50176}}, (40, 30, 1)),
    ({"min_pixels": 64, "max_pixels": 4096, "patch_size": 4, "merge_size": 3,
      "temporal_patch_size": 3, "resample": 2}, (75, 50, 7)),
    ({"min_pixels": 100, "max_pixels": 2500, "patch_size": 5, "merge_size": 1,
      "temporal_patch_size": 1, "do_normalize": False}, (33, 77, 5)),
    ({"min_pixels": 500, "max_pixels": 900, "patch_size": 6, "do_rescale": False,
      "do_normalize": False}, (31, 31, 2)),
    ({"do_resize": False, "patch_size": 4, "image_mean": [0.4, 0.5, 0.6]}, (32, 24, 5)),
    ({"min_pixels": 500, "max_pixels": 90000, "patch_size": 4, "cap_pixels_per_frame": True,
      "max_video_tokens": 200}, (100, 75, 6)),
    ({"min_pixels": 3000, "max_pixels": 90000, "patch_size": 4, "cap_pixels_per_frame": True,
      "max_video_tokens": 20, "rescale_factor": 0.003}, (100, 75, 9)),
    ({"min_pixels": 500, "max_pixels": 4000, "patch_size": 4, "cap_pixels_per_frame": True,
      "max_video_tokens": 100000}, (100, 75, 4)),
    ({}, (64, 48, 2)),
]


# The same of the others, by their types' names.
OTHERS = [
    ("Qwen3VLVideoProcessor", {"size": {"shortest_edge": 1024, "longest_edge": 30720}}, (131, 47, 4)),
    ("Qwen3VLVideoProcessor", {"size": {"shortest_edge": 40960, "longest_edge": 81920}}, (60, 90, 3)),
    ("Qwen3VLVideoProcessor", {"size": {"shortest_edge": 700, "longest_edge": 9000}, "patch_size": 4,
                               "merge_size": 3, "temporal_patch_size": 3, "resample": 2}, (75, 50, 7)),
    ("Qwen3VLVideoProcessor", {"size": {"shortest_edge": 300, "longest_edge": 2500}, "patch_size": 5,
                               "merge_size": 1, "temporal_patch_size": 1, "do_normalize": False},
     (33, 77, 5)),
    ("Qwen3VLVideoProcessor", {"size": {"shortest_edge": 500, "longest_edge": 90000}, "patch_size": 4,
                               "cap_pixels_per_frame": True, "max_video_tokens": 20}, (100, 75, 6)),
    ("Qwen3VLVideoProcessor", {"size": {"shortest_edge": 3000, "longest_edge": 9000}, "patch_size": 4,
                               "cap_pixels_per_frame": True}, (100, 75, 5)),
    ("Qwen3VLVideoProcessor", {"do_resize": False, "patch_size": 4, "image_mean": [0.4, 0.5, 0.6]},
     (32, 24, 5)),
    ("Qwen3VLVideoProcessor", {"size": {"shortest_edge": 1024, "longest_edge": 99999}}, (20, 9, 3)),
    ("Qwen3VLVideoProcessor", {}, (64, 48, 2)),
    ("SmolVLMVideoProcessor", {"size": {"longest_edge": 90}, "max_image_size": {"longest_edge": 30}},
     (131, 47, 3)),
    ("SmolVLMVideoProcessor", {"size": {"longest_edge": 77}, "max_image_size": {"longest_edge": 40}},
     (50, 93, 2)),
    ("SmolVLMVideoProcessor", {"size": {"height": 50, "width": 20}, "resample": 2,
                               "max_image_size": {"longest_edge": 33}}, (60, 90, 2)),
    ("SmolVLMVideoProcessor", {"video_sampling": {"fps": 1, "max_frames": 4,
                                                  "video_size": {"longest_edge": 61}},
                               "max_image_size": {"longest_edge": 24}, "do_rescale": False},
     (30, 30, 2)),
    ("SmolVLMVideoProcessor", {"size": {"longest_edge": 80}, "max_image_size": {"longest_edge": 24},
                               "video_sampling": {"fps": 1, "max_frames": 4,
                                                  "video_size": {"longest_edge": 61}}}, (30, 41, 2)),
    ("SmolVLMVideoProcessor", {"do_resize": False, "do_normalize": False}, (31, 22, 3)),
    ("LlavaOnevisionVideoProcessor", {"size": {"height": 30, "width": 40}}, (131, 47, 3)),
    ("LlavaOnevisionVideoProcessor", {"size": {"shortest_edge": 31}, "resample": 2}, (60, 90, 2)),
    ("LlavaOnevisionVideoProcessor", {"size": {"shortest_edge": 31}, "do_center_crop": True,
                                      "crop_size": {"height": 20, "width": 31}}, (90, 60, 2)),
    ("LlavaOnevisionVideoProcessor", {"size": {"height": 20, "width": 33}, "do_center_crop": True,
                                      "crop_size": {"height": 27, "width": 40}}, (50, 60, 2)),
    ("LlavaOnevisionVideoProcessor", {"size": {"height": 40, "width": 20}, "do_center_crop": True,
                                      "crop_size": {"height": 33, "width": 25},
                                      "do_normalize": False}, (50, 60, 2)),
    ("LlavaOnevisionVideoProcessor", {}, (64, 48, 2)),
]
CLASSES = {made.__name__: made for made in (Qwen3VLVideoProcessor, SmolVLMVideoProcessor,
                                            LlavaOnevisionVideoProcessor)}


def chosen():
    processor, rows = Qwen2VLVideoProcessor(), []
    for choice in CHOICES:
        for total in TOTALS:
            for rate in RATES if "fps" in choice else RATES[:1]:
                metadata = VideoMetadata(total_num_frames=total, fps=rate)
                try:
                    indices = processor.sample_frames(metadata, **choice).numpy().astype(np.int64)
                except (ValueError, ZeroDivisionError):
                    rows.append({"choice": choice, "frames": total, "fps": rate, "count": None})
                    continue
                indices = indices[indices < total]
                rows.append({"choice": choice, "frames": total, "fps": rate,
                             "count": len(indices), "digest": digest(indices)})
    return rows


def processed():
    rows = []
    for options, (width, height, frames) in PROCESSED:
        film = np.stack([noise(width, height, seed=width * 1000 + height + 7 * i)
                         for i in range(frames)])
        # min_pixels and max_pixels would be written into the class's own size, for all that follow
        own = {"size": {}} if "min_pixels" in options else {}
        made = Qwen2VLVideoProcessor(**{**own, **options})(videos=[film], return_tensors="np")
        values = made["pixel_values_videos"].astype(np.float32)
        rows.append({"config": {"video_processor_type": "Qwen2VLVideoProcessor", **options},
                     "film": [width, height, frames], "shape": list(values.shape),
                     "grid": made["video_grid_thw"][0].tolist(), "digest": digest(values)})
    return rows


def ruled():
    rows = []
    for rule, (made, choices) in RULES.items():
        for choice in choices:
            options = {key: choice[key] for key in choice if key.endswith("_frames")
                       and key != "num_frames"}
            processor = made(**options)
            if rule == "ends" and "fps" not in choice:
                processor.fps = None
            for total in TOTALS[::2]:
                for rate in RATES[:2] if "fps" in choice else RATES[:1]:
                    metadata = VideoMetadata(total_num_frames=total, fps=rate,
                                             duration=total / rate)
                    row = {"rule": rule, "choice": choice, "frames": total, "fps": rate,
                           "count": None}
                    rows.append(row)
                    asked = {key: choice.get(key) for key in ("num_frames", "fps")}
                    try:
                        indices = processor.sample_frames(metadata, **asked)
                    except (ValueError, ZeroDivisionError, RuntimeError):
                        continue
                    indices = np.asarray(indices).astype(np.int64)
                    indices = indices[indices < total]
                    if 0 < len(indices) <= 4096:
                        row.update({"count": len(indices), "digest": digest(indices)})
    return rows


def others():
    rows = []
    for name, options, (width, height, frames) in OTHERS:
        film = np.stack([noise(width, height, seed=width * 1000 + height + 7 * i)
                         for i in range(frames)])
        made = CLASSES[name](**json.loads(json.dumps(options)))(
            videos=[film], return_tensors="np", do_sample_frames=False)
        values = made.get("pixel_values_videos", made.get("pixel_values")).astype(np.float32)
        grid = made["video_grid_thw"][0].tolist() if "video_grid_thw" in made else [frames]
        if "video_grid_thw" not in made:
            values = values[0]
        rows.append({"config": {"video_processor_type": name, "do_sample_frames": False, **options},
                     "film": [width, height, frames], "shape": list(values.shape), "grid": grid,
                     "digest": digest(values)})
    return rows


def main():
    with open("films.json", "w") as stream:
        parts = {"chosen": chosen() + ruled(), "processed": processed() + others()}
        stream.write("{" + ",\n".join(f'"{name}": [\n' + ",\n".join(
            json.dumps(row, separators=(",", ":")) for row in rows) + "\n]"
            for name, rows in parts.items()) + "}\n")


if __name__ == "__main__":
    main()
