# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what transformers' Pillow backend (torchvision's where there is none) makes of pictures with the processors that give tiles or
patches: families.json has
pixel_values (as the first 16 digits of their SHA-256) of noise, outlines.json the shapes and grids
of many sizes. Run in this folder."""
import json
import random

import numpy as np
from make_vision import digest, noise
from PIL import Image
from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import DeepseekOcr2ImageProcessorPil as DeepseekOcr2
from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import get_optimal_tiled_canvas as deepseek_canvas
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil as Gemma3
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil as Gemma4
from transformers.models.gemma4_unified.image_processing_gemma4_unified import Gemma4UnifiedImageProcessor as Gemma4Unified
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil as Glm4v
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil as GotOcr2
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil as Idefics3
from transformers.models.lfm2_vl.image_processing_lfm2_vl import Lfm2VlImageProcessor as Lfm2Vl
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil as LlavaNext
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil as LlavaOnevision
from transformers.models.minicpmv4_6.image_processing_pil_minicpmv4_6 import MiniCPMV4_6ImageProcessorPil as MiniCpm
from transformers.models.ovis2.image_processing_pil_ovis2 import Ovis2ImageProcessorPil as Ovis2
from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil as Mllama
from transformers.models.phi4_multimodal.image_processing_phi4_multimodal import Phi4MultimodalImageProcessor as Phi4Multimodal
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil as Pixtral
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil as Qwen
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil as SmolVLM

PINPOINTS = [[24, 48], [48, 24], [48, 48], [72, 24], [24, 72]]
PAN = {"do_pan_and_scan": True, "pan_and_scan_min_crop_size": 16, "pan_and_scan_max_num_crops": 4,
       "pan_and_scan_min_ratio_to_activate": 1.2}
SMALL = {"size": {"longest_edge": 96}, "max_image_size": {"longest_edge": 32}}
TILES = {"encoder_patch_size": 4, "tile_size": 24, "min_image_tokens": 2, "max_image_tokens": 16,
         "max_tiles": 6}
CASES = [
    (Qwen, {}),
    (Qwen, {"size": {"shortest_edge": 784, "longest_edge": 6272}}),
    (Qwen, {"min_pixels": 3136, "max_pixels": 12544}),
    (Qwen, {"min_pixels": 400, "size": {"shortest_edge": 9000, "longest_edge": 9999}}),
    (Qwen, {"size": {"shortest_edge": 1024, "longest_edge": 8192}, "patch_size": 16,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}),
    (Qwen, {"min_pixels": 64, "max_pixels": 4096, "patch_size": 4, "merge_size": 3,
            "temporal_patch_size": 3, "resample": 2}),
    (Qwen, {"min_pixels": 100, "max_pixels": 2500, "patch_size": 5, "merge_size": 1,
            "temporal_patch_size": 1, "do_normalize": False}),
    (Qwen, {"min_pixels": 5000, "max_pixels": 900, "patch_size": 6, "do_rescale": False,
            "do_normalize": False}),
    (Qwen, {"min_pixels": 20000, "max_pixels": 40000, "resample": 1, "rescale_factor": 0.003}),
    (Qwen, {"min_pixels": 15115, "max_pixels": 23933, "patch_size": 4, "resample": 5}),
    (Qwen, {"do_resize": False, "patch_size": 4}),
    (Idefics3, {}),
    (Idefics3, SMALL),
    (Idefics3, {**SMALL, "do_image_splitting": False}),
    (Idefics3, {**SMALL, "size": {"longest_edge": 33}}),
    (Idefics3, {**SMALL, "size": {"longest_edge": 20}, "resample": 3}),
    (Idefics3, {**SMALL, "size": {"height": 50, "width": 70}}),
    (Idefics3, {**SMALL, "size": 64}),
    (Idefics3, {**SMALL, "do_resize": False}),
    (Idefics3, {**SMALL, "do_resize": False, "do_image_splitting": False, "do_normalize": False}),
    (SmolVLM, {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 64}}),
    (SmolVLM, {"size": {"longest_edge": 150}, "max_image_size": {"longest_edge": 30},
               "image_mean": [0.1, 0.2, 0.3], "image_std": 0.4}),
    (LlavaNext, {}),
    (LlavaNext, {"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24},
                 "image_grid_pinpoints": PINPOINTS}),
    (LlavaNext, {"size": {"height": 24, "width": 24}, "crop_size": 24,
                 "image_grid_pinpoints": PINPOINTS, "resample": 5}),
    (LlavaNext, {"size": {"shortest_edge": 20}, "crop_size": {"height": 24, "width": 24},
                 "image_grid_pinpoints": PINPOINTS}),
    (LlavaNext, {"size": {"shortest_edge": 30}, "crop_size": {"height": 16, "width": 20},
                 "image_grid_pinpoints": [[50, 90], [31, 31]]}),
    (LlavaNext, {"size": {"height": 20, "width": 28}, "do_center_crop": False, "crop_size": 24,
                 "image_grid_pinpoints": [[55, 24], [24, 24], [60, 90]]}),
    (LlavaNext, {"size": {"shortest_edge": 24}, "do_resize": False,
                 "crop_size": {"height": 24, "width": 30}, "image_grid_pinpoints": PINPOINTS}),
    (GotOcr2, {}),
    (GotOcr2, {"size": {"height": 28, "width": 28}, "crop_to_patches": True}),
    (GotOcr2, {"size": {"height": 28, "width": 28}, "crop_to_patches": True, "min_patches": 2,
               "max_patches": 6, "resample": 2}),
    (GotOcr2, {"size": {"height": 20, "width": 36}, "crop_to_patches": True, "max_patches": 9,
               "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}),
    (GotOcr2, {"size": {"height": 30, "width": 30}, "crop_to_patches": True, "max_patches": 1}),
    (GotOcr2, {"size": {"height": 12, "width": 12}, "crop_to_patches": True, "min_patches": 4,
               "max_patches": 3}),
    (GotOcr2, {"size": {"shortest_edge": 25}}),
    (Gemma3, {}),
    (Gemma3, {"size": {"height": 56, "width": 56}, "do_pan_and_scan": False}),
    (Gemma3, {"size": {"height": 40, "width": 48}, **PAN}),
    (Gemma3, {"size": 28, **PAN, "pan_and_scan_max_num_crops": 7, "pan_and_scan_min_crop_size": 9,
              "resample": 3}),
    (Gemma3, {"size": 28, **PAN, "pan_and_scan_min_crop_size": 40,
              "pan_and_scan_min_ratio_to_activate": 1.0}),
    (LlavaOnevision, {}),
    (LlavaOnevision, {"size": {"height": 24, "width": 24},
                      "image_grid_pinpoints": [[24, 24], *PINPOINTS, [72, 72]]}),
    (LlavaOnevision, {"size": {"height": 20, "width": 28}, "image_grid_pinpoints": PINPOINTS,
                      "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
                      "resample": 2}),
    (LlavaOnevision, {"size": {"shortest_edge": 24}, "do_center_crop": True, "crop_size": 30,
                      "image_grid_pinpoints": [[30, 60], [60, 30]]}),
    (Glm4v, {}),
    (Glm4v, {"size": {"shortest_edge": 1024, "longest_edge": 8192}, "patch_size": 16}),
    (Glm4v, {"size": {"shortest_edge": 128, "longest_edge": 4096}, "patch_size": 4, "merge_size": 3,
             "temporal_patch_size": 3, "resample": 2}),
    (Glm4v, {"size": {"shortest_edge": 40000, "longest_edge": 90000}, "patch_size": 30,
             "temporal_patch_size": 1, "image_mean": [0.5, 0.5, 0.5]}),
    (Pixtral, {}),
    (Pixtral, {"size": {"longest_edge": 56}, "patch_size": 7, "spatial_merge_size": 2}),
    (Pixtral, {"size": {"height": 60, "width": 40}, "patch_size": {"height": 6, "width": 6},
               "spatial_merge_size": 3, "resample": 2, "image_mean": [0.4, 0.5, 0.6]}),
    (Pixtral, {"size": 48, "do_normalize": False}),
    (Pixtral, {"size": {"longest_edge": 100}, "patch_size": 4, "rescale_factor": 0.01,
               "image_std": 0.4}),
    (Pixtral, {"do_resize": False, "patch_size": 1}),
    (Gemma4, {}),
    (Gemma4, {"max_soft_tokens": 70, "patch_size": 4, "pooling_kernel_size": 2}),
    (Gemma4, {"max_soft_tokens": 140, "patch_size": 3, "pooling_kernel_size": 1, "resample": 2}),
    (Gemma4, {"max_soft_tokens": 70, "patch_size": 2, "do_normalize": True,
              "image_mean": [0.4, 0.5, 0.6], "image_std": [0.3, 0.2, 0.1]}),
    (Gemma4, {"max_soft_tokens": 1120, "patch_size": 1, "do_rescale": False}),
    (Ovis2, {}),
    (Ovis2, {"size": {"height": 28, "width": 28}, "crop_to_patches": True}),
    (Ovis2, {"size": {"height": 40, "width": 40}, "crop_to_patches": True, "max_patches": 5,
             "min_patches": 3, "resample": 2, "image_mean": [0.5, 0.5, 0.5],
             "image_std": [0.5, 0.5, 0.5]}),
    (Ovis2, {"size": {"height": 150, "width": 100}, "crop_to_patches": True, "max_patches": 30,
             "do_normalize": False}),
    (Ovis2, {"size": {"height": 20, "width": 36}, "crop_to_patches": True, "max_patches": 9,
             "use_covering_area_grid": False}),
    (Ovis2, {"size": {"height": 12, "width": 12}, "crop_to_patches": True, "min_patches": 4,
             "max_patches": 3, "use_covering_area_grid": False, "do_resize": False}),
    (Ovis2, {"size": {"height": 30, "width": 30}, "crop_to_patches": True, "max_patches": 1}),
    (Ovis2, {"size": {"shortest_edge": 25}}),
]
# The same of two pictures in one row, which are not cut.
TOGETHER = [(kind, options) for kind, options in CASES if kind is LlavaOnevision]
# Of torchvision alone.
TORCHVISION = [
    (Lfm2Vl, {}),
    (Lfm2Vl, TILES),
    (Lfm2Vl, {**TILES, "max_tiles": 9, "min_tiles": 1, "use_thumbnail": False,
              "max_pixels_tolerance": 1.0}),
    (Lfm2Vl, {**TILES, "do_image_splitting": False, "resample": 3}),
    (Lfm2Vl, {**TILES, "encoder_patch_size": 7, "downsample_factor": 3, "tile_size": 42,
              "max_pixels_tolerance": 0.5, "image_mean": [0.4, 0.5, 0.6],
              "image_std": [0.2, 0.3, 0.4]}),
    (Lfm2Vl, {**TILES, "downsample_factor": 1, "do_normalize": False, "resample": 3}),
    (Lfm2Vl, {**TILES, "do_rescale": False, "max_tiles": 2, "rescale_factor": 0.01}),
    (Lfm2Vl, {**TILES, "rescale_factor": 0.01, "min_image_tokens": 30, "max_image_tokens": 60}),
    (Gemma4Unified, {}),
    (Gemma4Unified, {"max_soft_tokens": 70, "patch_size": 4, "pooling_kernel_size": 2}),
    (Gemma4Unified, {"max_soft_tokens": 140, "patch_size": 5, "pooling_kernel_size": 1,
                     "resample": 2}),
    (Gemma4Unified, {"max_soft_tokens": 70, "patch_size": 2, "do_normalize": True,
                     "image_mean": [0.4, 0.5, 0.6], "image_std": [0.3, 0.2, 0.1]}),
    (Gemma4Unified, {"max_soft_tokens": 1120, "patch_size": 1, "do_rescale": False}),
]
# Whole and slices.
SLICES = [
    (MiniCpm, {}),
    (MiniCpm, {"scale_resolution": 32, "patch_size": 4, "max_slice_nums": 4}),
    (MiniCpm, {"scale_resolution": 40, "patch_size": 5, "resample": 2,
               "image_mean": [0.4, 0.5, 0.6]}),
    (MiniCpm, {"scale_resolution": 24, "patch_size": 3, "slice_mode": False,
               "do_normalize": False}),
    (MiniCpm, {"scale_resolution": 50, "patch_size": 6, "max_slice_nums": 1,
               "do_rescale": False}),
    (MiniCpm, {"scale_resolution": 28, "patch_size": 7, "max_slice_nums": 30,
               "rescale_factor": 0.01, "image_std": [0.3, 0.2, 0.1]}),
]
# Behind the others, whose sizes are drawn before theirs.
LATER = [
    (Mllama, {}),
    (Mllama, {"size": {"height": 24, "width": 24}}),
    (Mllama, {"size": {"height": 20, "width": 20}, "max_image_tiles": 6, "resample": 3}),
    (Mllama, {"size": {"height": 28, "width": 28}, "max_image_tiles": 2, "do_normalize": False}),
    (Mllama, {"size": {"height": 17, "width": 17}, "max_image_tiles": 9, "do_rescale": False,
              "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}),
    (Mllama, {"size": {"height": 32, "width": 32}, "max_image_tiles": 1, "rescale_factor": 0.01}),
    (DeepseekOcr2, {}),
    (DeepseekOcr2, {"size": {"height": 40, "width": 30}, "tile_size": 24}),
    (DeepseekOcr2, {"size": 33, "tile_size": 20, "max_patches": 9, "min_patches": 1, "resample": 2,
                    "background_color": [200, 3, 90], "image_mean": [0.4, 0.5, 0.6]}),
    (DeepseekOcr2, {"size": {"height": 20, "width": 20}, "tile_size": 36, "min_patches": 5,
                    "max_patches": 4, "do_resize": False, "do_normalize": False}),
    (DeepseekOcr2, {"size": {"height": 20, "width": 20}, "tile_size": 25,
                    "crop_to_patches": False, "do_rescale": False}),
    (Phi4Multimodal, {}),
    (Phi4Multimodal, {"size": {"height": 32, "width": 32}, "patch_size": 4}),
    (Phi4Multimodal, {"size": {"height": 30, "width": 30}, "patch_size": 5, "dynamic_hd": 4,
                      "resample": 2, "image_mean": [0.4, 0.5, 0.6]}),
    (Phi4Multimodal, {"size": {"height": 24, "width": 24}, "patch_size": 3, "dynamic_hd": 9,
                      "do_normalize": False}),
    (Phi4Multimodal, {"size": 40, "patch_size": 8, "dynamic_hd": 1, "do_rescale": False}),
]
SIZES = [(50, 37), (29, 64), (33, 33), (20, 90), (48, 72), (131, 47), (1, 1), (2, 150), (150, 3),
         (640, 427)]


def fresh(kind, options):
    if kind is Qwen:  # min_pixels and max_pixels write into the class's own default
        Qwen.size = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280}
    return kind(**json.loads(json.dumps(options)))


def pixtral_patches(options, image):
    """The whole processor says the blocks that pictures are made of; each patch row by row."""
    options = dict(options)
    merge, patch = options.pop("spatial_merge_size", 1), options.get("patch_size", 16)
    patch = patch["height"] if isinstance(patch, dict) else patch
    values = np.asarray(fresh(Pixtral, options)(images=image,
                                                patch_size=patch * merge)["pixel_values"])[0]
    rows, columns = values.shape[1] // patch, values.shape[2] // patch
    patches = values.reshape(3, rows, patch, columns, patch).transpose(1, 3, 0, 2, 4)
    return patches.reshape(rows * columns, 3 * patch * patch), [1, rows, columns]


def gemma4_patches(options, image):
    """Without padding, the patches of a token together."""
    processor = fresh(Gemma4, options)
    out, pooled = processor(images=image), processor.pooling_kernel_size
    places = np.asarray(out["image_position_ids"])[0]
    columns, rows = (int(n) + 1 for n in places.max(axis=0))
    patches = np.asarray(out["pixel_values"])[0][:rows * columns]
    blocks = patches.reshape(rows // pooled, pooled, columns // pooled, pooled, -1)
    return blocks.transpose(0, 2, 1, 3, 4).reshape(patches.shape), [1, rows, columns, pooled,
                                                                    len(places)]


def gemma4_unified_patches(options, image):
    """Without padding."""
    out = fresh(Gemma4Unified, options)(images=image, return_tensors="np")
    places = out["image_position_ids"][0]
    columns, rows = (int(n) + 1 for n in places.max(axis=0))
    return out["pixel_values"][0][:rows * columns], [1, rows, columns, 1, len(places)]


def lfm2_vl_patches(options, image):
    """Without what fills frames up, and the tiles and the whole as the engine counts them."""
    kind = fresh(Lfm2Vl, options)
    out = kind(images=image, return_row_col_info=True)
    shapes = [[int(n) for n in shape] for shape in out["spatial_shapes"]]
    values = np.concatenate([np.asarray(frame)[:rows * columns] for frame, (rows, columns)
                             in zip(out["pixel_values"], shapes)])
    tiles = [out["image_rows"][0], out["image_cols"][0]]
    cut = kind.do_image_splitting and not kind.min_tiles == kind.max_tiles == 1 \
        and kind._is_image_too_large(image.height, image.width, kind.max_image_tokens,
                                     kind.encoder_patch_size, kind.downsample_factor,
                                     kind.max_pixels_tolerance)
    if not cut:
        return values, [0, 0, 0, *shapes[0]]
    whole = shapes[-1] if len(shapes) > tiles[0] * tiles[1] else [0, 0]
    return values, [*map(int, tiles), shapes[0][0], *whole]


def minicpmv_patches(options, image):
    """Patch after patch instead of side by side."""
    kind = fresh(MiniCpm, options)
    out = kind(images=image)
    patch, sizes = kind.patch_size, [[int(n) for n in size] for size in out["target_sizes"]]
    values = np.asarray(out["pixel_values"])[0].reshape(3, patch, -1, patch)
    patches = values.transpose(2, 0, 1, 3).reshape(-1, 3 * patch * patch)
    return patches, [*out["grids"][0], *(sizes[1] if len(sizes) > 1 else [0, 0]), *sizes[0]]


def deepseek_frames(options, image):
    """Flat, tiles before the whole."""
    kind = fresh(DeepseekOcr2, options)
    tile, side = kind.tile_size, kind.size["height"] if kind.crop_to_patches else kind.tile_size
    out = kind(images=image)
    grid = [0, 0]
    if out["num_local_patches"][0]:
        columns, rows = deepseek_canvas((image.height, image.width), (tile, tile),
                                        kind.min_patches, kind.max_patches)
        grid = [rows, columns]
    frames = [*out.get("pixel_values_local", []), *out["pixel_values"]]
    return np.concatenate([np.asarray(frame).reshape(-1) for frame in frames]), [*grid, tile, side]


def phi4_frames(options, image):
    """The whole before the squares, and how many rows and columns of their patches show
    something."""
    kind = fresh(Phi4Multimodal, options)
    out = kind(images=image, return_tensors="np")
    side = out["image_pixel_values"].shape[-1]
    down, across = (int(edge) // side for edge in out["image_sizes"][0])
    shown = out["image_attention_mask"][0][1:].reshape(down, across, side // kind.patch_size, -1)
    shown = shown.transpose(0, 2, 1, 3)
    return out["image_pixel_values"][0], [down, across, int(shown[:, :, 0, 0].sum()),
                                          int(shown[0, 0].sum())]


def mllama_tiles(options, image):
    """Of its one picture; the arrangement by its number."""
    kind = fresh(Mllama, options)
    out, most = kind(images=image), kind.max_image_tiles
    known = [[rows, columns] for rows in range(1, most + 1) for columns in range(1, most + 1)
             if rows * columns <= most]
    return np.asarray(out["pixel_values"])[0, 0], [
        *known[int(np.asarray(out["aspect_ratio_ids"])[0, 0]) - 1], most]


def process(kind, options, image, together=1):
    """pixel_values as the tower gets them, and the grid as the engine counts it; of the first of so
    many pictures in a row."""
    if kind is Pixtral:
        return pixtral_patches(options, image)
    if kind is Gemma4:
        return gemma4_patches(options, image)
    if kind is Gemma4Unified:
        return gemma4_unified_patches(options, image)
    if kind is Lfm2Vl:
        return lfm2_vl_patches(options, image)
    if kind is MiniCpm:
        return minicpmv_patches(options, image)
    if kind is Mllama:
        return mllama_tiles(options, image)
    if kind is Phi4Multimodal:
        return phi4_frames(options, image)
    if kind is DeepseekOcr2:
        return deepseek_frames(options, image)
    shown = image if together == 1 else [[image] * together]
    out = fresh(kind, options)(images=shown, **({"return_row_col_info": True}
                                                if kind in (Idefics3, SmolVLM) else {}))
    values = out["pixel_values"]
    if kind in (Qwen, Glm4v):
        return np.asarray(values), [int(n) for n in out["image_grid_thw"][0]]
    if kind in (Idefics3, SmolVLM):
        return np.asarray(values[0]), [out["rows"][0][0], out["cols"][0][0]]
    if kind in (LlavaNext, LlavaOnevision):
        return np.asarray(values[0]), [int(n) for n in out["image_sizes"][0]]
    if kind is GotOcr2:
        return np.asarray(values), [int(n) for n in out["num_patches"]]
    if kind is Ovis2:
        return np.asarray(values), [int(n) for n in out["grids"][0]]
    return np.asarray(values), [int(n) for n in out["num_crops"]]


def settings(kind, options):
    return {"image_processor_type": kind.__name__.removesuffix("Pil"), **options}


def described(kind, options, width, height, image, with_digest, together=1):
    """[width, height, shape, grid(, digest)], or [width, height] where the processor refuses the
    picture."""
    try:
        values, grid = process(kind, options, image, together)
    except ValueError:
        return [width, height]
    except RuntimeError:  # a picture so narrow that its thumbnail does not fit beside its tiles
        return None
    return [width, height, list(values.shape),
            grid] + ([digest(values.astype(np.float32))] if with_digest else [])


def rows_of(cases, **among):
    """As {"config": ..., "among": pictures of the row}; one where it is not said."""
    return [(kind, options, {"config": settings(kind, options), **among})
            for kind, options in cases]


ROWS = (rows_of(CASES) + rows_of(TOGETHER, among=2) + rows_of(TORCHVISION)
        + rows_of(SLICES) + rows_of(LATER))


def families():
    pictures = {(w, h): Image.fromarray(noise(w, h, seed=w * 1000 + h)) for w, h in SIZES}
    rows = []
    for kind, options, row in ROWS:
        # the full sizes are slow, and the small ones take the same ways
        sizes = SIZES if options else [(131, 47), (20, 90), (1, 1)]
        rows.append({**row, "pictures": list(filter(None, (
            described(kind, options, *size, pictures[size], True, row.get("among", 1))
            for size in sizes)))})
    return rows


def outlines():
    generator = random.Random(4)
    rows = []
    for kind, options, row in ROWS:
        # where the result is as large as the picture, or a long side follows from a short one
        bound = 300 if options.get("do_resize") is False or options.get("size") == {
            "shortest_edge": 25} else 2048
        sizes = [tuple(min(int(2 ** generator.uniform(0, 11)), bound) for _ in range(2))
                 for _ in range(24)]
        rows.append({**row, "pictures": list(filter(None, (
            described(kind, options, *size, Image.new("RGB", size), False, row.get("among", 1))
            for size in sizes)))})
    return rows


def main():
    for name, rows in (("families", families()), ("outlines", outlines())):
        with open(f"{name}.json", "w") as stream:
            stream.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":"))
                                            for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
