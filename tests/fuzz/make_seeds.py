# SPDX-License-Identifier: GPL-3.0-or-later
# Writes the small seeds of the fuzzers with the reference implementations (tokenizers,
# sentencepiece): `python make_seeds.py`.
# Fuzzing starts from files that are accepted, and finds its way from there.
import io
import json
import struct
import tarfile
from pathlib import Path

import sentencepiece
from PIL import Image
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SEEDS = Path(__file__).parent / "seeds"
TEXT = ["A red circle is above a blue square.", "How many shapes are there? 3", "빨간 원 위에 파란 네모",
        "café's naïve 12345"] * 3


def put(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def regions():
    def seed(name, **tensors):
        header, data = {}, b""
        for key, (dtype, shape, packed) in sorted(tensors.items(), key=lambda each: -len(each[1][2])):
            header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
            data += packed
        text = json.dumps(header, separators=(",", ":")).encode()
        put("regions", name, struct.pack("<Q", len(text)) + text + data)

    features = ("F32", [2, 3], struct.pack("<6f", 1, -2, 3, 4, 5, -6))
    boxes = ("F32", [2, 4], struct.pack("<8f", 0, 0.25, 0.5, 1, 0.125, 0, 1, 0.75))
    seed("bare", features=features)
    seed("whole", features=features, boxes=boxes, objects=("I64", [2], struct.pack("<2q", 1, 3)),
         object_confidences=("F32", [2], struct.pack("<2f", 0.5, 1)), attributes=("F32", [2], struct.pack("<2f", 2, 0)))
    seed("aligned", features=features, boxes=boxes, alignment=("I64", [2, 2], struct.pack("<4q", 1, 3, 2, -1)))
    seed("half", features=("F16", [2, 3], struct.pack("<6e", 1, -2, 3, 4, 5, -6)), boxes=boxes)


def safetensors():
    def entry(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    def seed(name, header, size):
        put("safetensors", name, struct.pack("<Q",
                                             size) + json.dumps(header,
                                                                separators=(",", ":")).encode())

    seed("two", {"__metadata__": {"format": "pt"}, "a": entry("F32", [2, 2], 0, 16),
                 "b": entry("BF16", [3], 16, 22)}, 22)
    seed("empty", {}, 0)
    seed("odd", {"s": entry("F64", [], 0, 8), "e": entry("I8", [0, 7], 8, 8),
                 "u": entry("BOOL", [1], 8, 9), "f": entry("F8_E4M3", [2], 9, 11)}, 11)
    seed("hole", {"a": entry("U8", [4], 4, 8)}, 8)


def quantized():
    put("quantized", "nf4", json.dumps({"quant_method": "bitsandbytes", "load_in_4bit": True,
                                        "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant":
                                        True, "llm_int8_skip_modules": ["lm_head"]}))
    put("quantized", "int8", json.dumps({"load_in_8bit": True, "llm_int8_threshold": 6.0}))
    put("quantized", "gptq", json.dumps({"quant_method": "gptq", "bits": 4, "group_size": 128,
                                         "desc_act": True, "checkpoint_format": "gptq_v2"}))
    put("quantized", "awq", json.dumps({"quant_method": "awq", "bits": 4, "group_size": -1,
                                        "version": "gemm"}))
    put("quantized", "state", json.dumps({
        "quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [8, 16],
        "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.04326}))
    put("quantized", "name", "model.a.weight.absmax")


def tokenizers():
    def seed(name, tokenizer):
        tokenizer.add_special_tokens([AddedToken("<s>", special=True),
                                      AddedToken("<image>", special=True, normalized=False,
                                                 lstrip=True)])
        put("tokenizer", name, tokenizer.to_str())

    byte_level = Tokenizer(models.BPE())
    byte_level.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(r"(?i:'s|'t)|\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"), "isolated")
    byte_level.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    byte_level.post_processor = processors.ByteLevel(trim_offsets=False)
    byte_level.decoder = decoders.ByteLevel()
    byte_level.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=80, show_progress=False))
    seed("byte_level.json", byte_level)

    fallback = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    fallback.normalizer = normalizers.Sequence([normalizers.Prepend("▁"),
                                                normalizers.Replace(" ", "▁")])
    fallback.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                          decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    fallback.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=70,
                                                           special_tokens=[
                                                               "<unk>", "<0x41>", "<0xE2>"],
                                                               show_progress=False))
    fallback.post_processor = processors.TemplateProcessing(single="<unk> $A", pair="<unk> $A $B:1",
                                                            special_tokens=[("<unk>", 0)])
    seed("byte_fallback.json", fallback)

    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    unigram.train_from_iterator(TEXT, trainers.UnigramTrainer(vocab_size=60, unk_token="<unk>",
                                                              special_tokens=["<unk>"],
                                                              show_progress=False))
    seed("unigram.json", unigram)

    pieces = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    pieces.normalizer = normalizers.BertNormalizer()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.decoder = decoders.WordPiece()
    pieces.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=70,
                                                               special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    pieces.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    seed("wordpiece.json", pieces)


def sentencepieces():
    for kind, size in (("bpe", 90), ("unigram", 60)):
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXT), model_writer=out,
                                                 model_type=kind,
                                                 vocab_size=size + (256 if kind == "bpe" else 0),
                                                 byte_fallback=kind == "bpe",
                                                 hard_vocab_limit=False, minloglevel=2,
                                                 normalization_rule_name="identity")
        put("sentencepiece", kind + ".model", out.getvalue())


TEMPLATES = {
    "plain": "{% for m in messages %}{{ m['role'] + ': ' + m.content if m.content is string else '' }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}",
    "parts": "{{ bos_token }}{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'] | upper }}: {% for part in message['content'] | selectattr('type', 'equalto',"
             " 'image') %}<image>\n{% endfor %}{% for part in message['content'] if part.type == 'text' %}{% generation %}{{ part['text'] | trim }}{% endgeneration %}{% endfor %}{{ eos_token }}"
             "{% endif %}{% endfor %}",
    "state": "{%- set ns = namespace(n=0, found=false) -%}{%- for m in messages -%}{%- set ns.n = ns.n + 1 -%}{%- if loop.first and not loop.last -%}{{ loop.index0 }}{%- endif -%}{%- endfor -%}"
             "{{ ns.n }}{{ list[1:] | length }}{{ messages[::-1][0]['role'] }}",
    "macros": "{% macro show(x, y='z') %}{{ x ~ y }}{% endmacro %}{{ show('a') }}{{ show(number, y=list | join(', ')) }}{{ messages | tojson }}{{ 'abc'.split('b') }}{{ range(3) | list }}",
    "tests": "{% if tools is defined and tools is not none %}x{% elif number is number and number % 2 == 1 %}{{ raise_exception('odd') }}{% else %}{{ dict(a=1).items() }}{% endif %}{# note #}",
    "bomb": "{% for a in range(9999) %}{% for b in range(9999) %}{{ 'x' * 9999 }}{% endfor %}{% endfor %}",
    "escape": "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ messages.__init__.__globals__ }}{{ self._TemplateReference__context }}{{ cycler.__init__.__globals__.os.popen('id').read() }}",
}


def documents():
    put("json", "run", json.dumps({"state": "running", "step": 3, "seconds": 1.5,
                                   "dataset_fingerprints": ["a"], "last_loss": None, "error": ""}))
    put("json", "line", json.dumps({"step": 3, "epoch": 0.5, "loss": 1.25, "memory": {"weights": 1},
                                    "eval_loss": None}))
    put("json", "event", json.dumps({"step": 3, "kind": "note", "detail": "\u00e9"}))
    put("json", "yaml", "a: [1, 2e-4, {b: 'x'}]\nc:\n- |\n  text\n- >-\n  folded\n\"d\": !!str f\n")
    for name, text in TEMPLATES.items():
        put("template", name, text)


PROCESSORS = {
    "clip": {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 30},
             "crop_size": {"height": 30, "width": 20}, "image_std": 0.5},
    "siglip": {"image_processor_type": "SiglipImageProcessor", "size": [20, 30],
               "do_normalize": False, "rescale_factor": 0.01},
    "llava": {"image_processor_type": "LlavaImageProcessor", "size": 24, "crop_size": 24,
              "do_pad": True, "pad_size": 30},
    "qwen": {"image_processor_type": "Qwen2VLImageProcessorFast",
             "size": {"shortest_edge": 64, "longest_edge": 256}, "patch_size": 4, "merge_size": 2,
             "temporal_patch_size": 2, "image_mean": [0.5, 0.5, 0.5]},
    "qwen_old": {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": 100,
                 "max_pixels": 300, "patch_size": 6, "do_resize": True},
    "idefics": {"image_processor_type": "Idefics3ImageProcessor", "size": {"longest_edge": 96},
                "max_image_size": {"longest_edge": 32}, "resample": 1},
    "smolvlm": {"image_processor_type": "SmolVLMImageProcessor",
                "size": {"height": 40, "width": 70}, "max_image_size": {"longest_edge": 20},
                "do_image_splitting": True},
    "llava_next": {"image_processor_type": "LlavaNextImageProcessor", "size": {"shortest_edge": 24},
                   "crop_size": {"height": 24, "width": 24},
                   "image_grid_pinpoints": [[24, 48], [48, 24], [48, 48]], "do_center_crop": True},
    "got_ocr2": {"image_processor_type": "GotOcr2ImageProcessor",
                 "size": {"height": 20, "width": 28}, "crop_to_patches": True, "min_patches": 2,
                 "max_patches": 9},
    "gemma3": {"image_processor_type": "Gemma3ImageProcessor", "size": {"height": 28, "width": 28},
               "do_pan_and_scan": True, "pan_and_scan_min_crop_size": 16,
               "pan_and_scan_max_num_crops": 4, "pan_and_scan_min_ratio_to_activate": 1.2,
               "resample": 2},
    "llava_onevision": {"image_processor_type": "LlavaOnevisionImageProcessor",
                        "size": {"height": 24, "width": 24},
                        "image_grid_pinpoints": [[24, 24], [24, 48], [48, 24], [72, 48]]},
    "pixtral": {"image_processor_type": "PixtralImageProcessor", "size": {"longest_edge": 60},
                "patch_size": {"height": 6, "width": 6}, "spatial_merge_size": 2, "resample": 3},
    "gemma4": {"image_processor_type": "Gemma4ImageProcessor", "max_soft_tokens": 70,
               "patch_size": 4, "pooling_kernel_size": 2, "resample": 2},
    "lfm2_vl": {"image_processor_type": "Lfm2VlImageProcessor", "encoder_patch_size": 4,
                "downsample_factor": 2, "tile_size": 16, "min_image_tokens": 2,
                "max_image_tokens": 8, "max_tiles": 6, "max_pixels_tolerance": 1.5},
    "minicpmv": {"image_processor_type": "MiniCPMV4_6ImageProcessor", "patch_size": 4,
                 "scale_resolution": 32, "max_slice_nums": 6, "downsample_mode": "4x"},
    "gemma4_unified": {"image_processor_type": "Gemma4UnifiedImageProcessor", "max_soft_tokens": 70,
                       "patch_size": 3, "pooling_kernel_size": 2, "do_normalize": True,
                       "image_std": [0.5, 0.4, 0.3]},
    "ovis2": {"image_processor_type": "Ovis2ImageProcessor", "size": {"height": 20, "width": 20},
              "crop_to_patches": True, "max_patches": 9},
    "mllama": {"image_processor_type": "MllamaImageProcessor", "max_image_tiles": 6,
               "size": {"height": 20, "width": 20}, "resample": 3},
    "qwen_film": {"video_processor_type": "Qwen2VLVideoProcessor", "patch_size": 4,
                  "size": {"shortest_edge": 64, "longest_edge": 256}, "num_frames": 5,
                  "do_sample_frames": True, "cap_pixels_per_frame": True, "max_video_tokens": 30},
    "deepseek_ocr2": {"image_processor_type": "DeepseekOcr2ImageProcessor", "tile_size": 16,
                      "size": {"height": 24, "width": 24}, "max_patches": 5,
                      "background_color": [1, 2, 3]},
    "qwen3_film": {"video_processor_type": "Qwen3VLVideoProcessor", "patch_size": 4, "fps": 3,
                   "size": {"shortest_edge": 256, "longest_edge": 4096}, "max_frames": 9},
    "smolvlm_film": {"video_processor_type": "SmolVLMVideoProcessor", "do_sample_frames": True,
                     "max_image_size": {"longest_edge": 12}, "size": {"longest_edge": 24},
                     "video_sampling": {"fps": 1, "max_frames": 5,
                                        "video_size": {"longest_edge": 20}}},
    "onevision_film": {"video_processor_type": "LlavaOnevisionVideoProcessor", "num_frames": 3,
                       "do_sample_frames": True, "size": {"height": 12, "width": 16},
                       "do_center_crop": True, "crop_size": {"height": 9, "width": 21}},
    "phi4_multimodal": {"image_processor_type": "Phi4MultimodalImageProcessor", "patch_size": 4,
                        "size": {"height": 16, "width": 16}, "dynamic_hd": 5},
}


def picture_processors():
    for number, (name, settings) in enumerate(PROCESSORS.items()):
        put("processor", name, bytes([(50 + 20 * number) % 256, (250 - 20 * number) % 256, 9,
                                      3 if name == "qwen" else 0]) + json.dumps(settings).encode())


def films():
    """Films without a codec of FFmpeg's. What is coded (three frames of 32 x 32 pixels as ffv1.mkv,
    h264.ts, mpeg4.mp4 and vp8.webm) torchcodec's encoder wrote, as tests/data/vision/make_film_files.py
    uses it."""
    frames = [Image.new("RGB", (16, 12), (60 * i, 200 - 50 * i, 9)) for i in range(3)]

    def saved(picture, kind, **more):
        out = io.BytesIO()
        picture.save(out, kind, **more)
        return out.getvalue()

    put("film", "plain.y4m", b"YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420jpeg\n"
        + b"".join(b"FRAME\n" + bytes(range(i, i + 12)) for i in range(3)))
    put("film", "moving.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:],
                                    duration=40))
    put("film", "moving.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:],
                                    duration=40))

    def chunk(name, data):
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    jpegs = [saved(frame, "JPEG") for frame in frames]
    header = struct.pack("<14I", 40000, 0, 0, 16, 3, 0, 1, 0, 16, 12, 0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack("<10I4H", 0, 0, 0, 1, 25, 0, 3, 0, 0, 0, 0, 0, 16, 12)
    picture = struct.pack("<3I2H", 40, 16, 12, 1, 24) + b"MJPG" + struct.pack("<5I", 576, 0, 0, 0, 0)
    head = chunk(b"LIST", b"hdrl" + chunk(b"avih", header) + chunk(
        b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", picture)))
    body = chunk(b"LIST", b"movi" + b"".join(chunk(b"00dc", jpeg) for jpeg in jpegs))
    put("film", "mjpeg.avi", chunk(b"RIFF", b"AVI " + head + body))


def curves():
    """TensorBoard's events as TensorFlow 1 and 2 write scalars, a Trainer's state, a line of ours."""
    def crc32c(data):
        value = 0xFFFFFFFF
        for byte in data:
            value ^= byte
            for _ in range(8):
                value = value >> 1 ^ 0x82F63B78 if value & 1 else value >> 1
        return value ^ 0xFFFFFFFF

    def masked(data):
        value = crc32c(data)
        return struct.pack("<I", ((value >> 15 | value << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF)

    def frame(event):
        length = struct.pack("<Q", len(event))
        return length + masked(length) + event + masked(event)

    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    def event(step, tag, value):
        return frame(struct.pack("<Bd", 9, 1.7e9 + step) + bytes([0x10, step]) +
                     field(5, field(1, field(1, tag) + value)))

    events = frame(struct.pack("<Bd", 9, 1.7e9) + field(3, b"brain.Event:2"))
    for step in (1, 2, 3):
        events += event(step, b"train/loss", b"\x15" + struct.pack("<f", 3 / step))
        events += event(step, b"eval/loss", field(8, b"\x08\x01" + field(5, struct.pack("<f", 4 / step))))
        events += event(step, b"train/epoch", field(8, b"\x08\x02" + field(4, struct.pack("<d", step / 3))))
    put("curves", "events", events)
    put("curves", "trainer_state", json.dumps({"log_history": [
        {"loss": 2.5, "step": 1, "epoch": 0.5, "learning_rate": 1e-4, "grad_norm": 1.5},
        {"eval_loss": 2.25, "step": 1, "eval_runtime": 0.5},
        {"loss": 1.5, "step": 2, "num_tokens": 300.0, "rewards/margins": 0.25},
        {"train_runtime": 3.0, "train_loss": 2.0, "step": 2}]}))
    memory = {name: at for at, name in enumerate(
        "weights adapter gradients optimizer activations allocated reserved peak rss".split(), 1)}
    put("curves", "line", json.dumps({
        "step": 2, "epoch": 0.5, "loss": None, "grad_norm": 1.6, "learning_rate": 0.005,
        "tokens": 244, "tokens_per_second": 1340.5, "step_seconds": 0.09, "memory": memory,
        "eval_loss": 1.5, "rewards/margins": -0.25}, separators=(",", ":")))


def hub():
    commit = "0123456789abcdef0123456789abcdef01234567"
    large = {"rfilename": "model.safetensors", "size": 9, "blobId": commit,
             "lfs": {"sha256": commit + commit[:24], "size": 9, "pointerSize": 130}}
    put("hub", "answer", json.dumps({"id": "org/name", "sha": commit,
                                     "siblings": [{"rfilename": "config.json", "size": 20,
                                                   "blobId": commit}, large,
                                                   {"rfilename": "a/b.jinja"}]}))
    put("hub", "id", "org/name-1.0_x")


def serve():
    put("serve", "orders", "".join(json.dumps(line) + "\n" for line in (
        {"command": "launch", "run": "20260131-120000-4f3a9c11", "recipe": "model: m\n", "folder":
         "/x", "held_out_answers": 2}, {"command": "attach", "run": "12345678", "after": 12},
        {"command": "list"}, {"command": "fetch", "file": "metrics.jsonl", "from": 10},
        {"command": "edit", "setting": "learning_rate", "value": 1e-4},
        {"command": "stop", "discard": True, "client": "a"},
        {"command": "answer", "request": 3, "asked": {"samples": [], "columns": [None]}})))
    put("serve", "sayings", "".join(json.dumps(line) + "\n" for line in (
        {"hello": "luthier", "protocol": 1, "version": "1.0.0", "devices": ["cpu"]},
        {"files": [{"name": "adapter/a.safetensors", "bytes": 3}, {"name": "../x", "bytes": 1}]},
        {"error": {"code": "input", "what": "No.", "where": "here"}},
        {"n": 1, "event": "step", "line": {"step": 1, "loss": 0.5}},
        {"n": 2, "event": "answer", "final": False, "text": "x"})))


def tables():
    put("table", "quoted.csv",
        'prompt,completion,label\n"What, exactly?\nSay ""it"".",a circle,true\n\nb,,0\n')
    put("table", "tabs.tsv", 'messages\tnote\n[{"role": "user", "content": "a"}]\tx\n')
    put("table", "columns",
        'image=photo\n{"photo": "a.png", "b": [{"c": 1}], "a": "x", "imgae": "y.png"}')
    put("table", "condition",
        'score>0.5\n{"score": 2, "prompt": "<image>\\nWhat?", "image": ["a.png"]}')
    for name, form in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT),
                       ("pax", tarfile.PAX_FORMAT)):
        long_name = "d/" + "n" * (60 if name == "ustar" else 140) + ".txt"
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            for member, content in (("train/0001.json", b'{"prompt": "a"}'),
                                    ("train/0001.txt", b"caption"), (long_name, b"x")):
                about = tarfile.TarInfo(member)
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))
        put("table", name + ".tar", out.getvalue()[:6 * 1024])


hub()
serve()
tables()
regions()
safetensors()
quantized()
picture_processors()
films()
tokenizers()
sentencepieces()
documents()
curves()
