# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what transformers' video processor of Qwen2-VL does with films, to films.json: "chosen",
which frames it samples (their number, and the first 16 digits of the SHA-256 of the indices as
int64; null where it fails), and "processed", pixel_values_videos of films of noise by their
digests, with the grid. Where the rule asks for a frame behind the film's last, that one is left
out. Run in this folder."""
import json

import numpy as np
from make_vision import digest, noise
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
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


def main():
    with open("films.json", "w") as stream:
        parts = {"chosen": chosen(), "processed": processed()}
        stream.write("{" + ",\n".join(f'"{name}": [\n' + ",\n".join(
            json.dumps(row, separators=(",", ":")) for row in rows) + "\n]"
            for name, rows in parts.items()) + "}\n")


if __name__ == "__main__":
    main()
