# SPDX-License-Identifier: GPL-3.0-or-later
"""`export --to gguf`: the files are read back by llama.cpp's own package (gguf), and hold what the
checkpoint's safetensors hold: to the bit as f32, and as f16 and q8_0 what that package makes of the
same numbers, to the bit too. Queries and keys of llama.cpp's "llama" lie as its rotation takes
them."""
import json
import re
import shutil

import numpy
import torch
from gguf import GGMLQuantizationType, GGUFReader, quants
from safetensors.torch import load_file

from checkpoints import make

SEPARATE = "qkv"    # one product in the checkpoint, three in the file


class Reader:
    """A GGUF file: `fields`, and `tensors` as (type, shape with rows first, data)."""

    def __init__(self, path):
        read = GGUFReader(path)
        self.fields = {key: field.contents() for key, field in read.fields.items()}
        assert len(read.tensors) == len({each.name for each in read.tensors}), "a name stands twice"
        self.tensors = {each.name: (each.tensor_type, [int(size) for size in each.shape[::-1]],
                                    each.data) for each in read.tensors}

    def numbers(self, name):
        kind, shape, data = self.tensors[name]
        return torch.from_numpy(quants.dequantize(data, kind).astype(numpy.float32).reshape(shape))


def stored_as(numbers, kind):
    """What llama.cpp's own package makes of them, as numbers again."""
    packed = quants.quantize(numbers.numpy().copy(), kind)
    return torch.from_numpy(quants.dequantize(packed, kind).astype(numpy.float32).reshape(numbers.shape))


LLAMA = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
         "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
         "ffn_norm": "post_attention_layernorm"}
GEMMA = {**LLAMA, "post_attention_norm": "post_attention_layernorm",
         "ffn_norm": "pre_feedforward_layernorm", "post_ffw_norm": "post_feedforward_layernorm"}
CLIP = {"ln1": "layer_norm1", "ln2": "layer_norm2", "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_out": "self_attn.out_proj", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"}
QWEN = {"ln1": "norm1", "ln2": "norm2", "attn_q": SEPARATE + "0", "attn_k": SEPARATE + "1",
        "attn_v": SEPARATE + "2", "attn_qkv": "attn.qkv", "attn_out": "attn.proj"}
MLPS = {"qwen2vl_merger": {"ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"},
        "qwen2.5vl_merger": {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
                             "ffn_down": "mlp.down_proj"},
        "qwen3vl_merger": {"ffn_up": "mlp.linear_fc1", "ffn_down": "mlp.linear_fc2"}}
MERGERS = {"qwen2vl_merger": ("merger.ln_q", "merger.mlp.0", "merger.mlp.2"),
           "qwen2.5vl_merger": ("merger.ln_q", "merger.mlp.0", "merger.mlp.2"),
           "qwen3vl_merger": ("merger.norm", "merger.linear_fc1", "merger.linear_fc2")}


def beside(rows, heads):
    """Rows of a head whose halves turn together, neighbours as llama.cpp's rotation has them."""
    size = rows.shape[0] // heads
    order = [head * size + half * (size // 2) + place for head in range(heads)
             for place in range(size // 2) for half in range(2)]
    return rows[order]


def wanted_text(name, native, text, fields):
    """Of the language model's tensor `name`, by the checkpoint's tensors under their names in memory."""
    arch = fields["general.architecture"]
    names, centred = (GEMMA, 1) if arch == "gemma3" else (LLAMA, 0)
    end = name.rsplit(".", 1)[1]
    if name == "token_embd.weight":
        return native[text + "embed_tokens.weight"]
    if name == "output_norm.weight":
        return native[text + "norm.weight"] + centred
    if name == "output.weight":
        return native["lm_head.weight"]
    layer, own = re.fullmatch(r"blk\.(\d+)\.(.+)\.\w+", name).groups()
    tensor = native[f"{text}layers.{layer}.{names[own]}.{end}"]
    if own.endswith("norm"):
        return tensor + centred
    if arch == "llama" and own in ("attn_q", "attn_k"):
        key = "head_count" if own == "attn_q" else "head_count_kv"
        return beside(tensor, fields[f"llama.attention.{key}"])
    return tensor


def wanted_picture(name, native, tower, projector, config):
    end = name.rsplit(".", 1)[1]
    qwen = "qwen" in projector
    if name == "v.class_embd":
        return native[tower + "embeddings.class_embedding"]
    if name.startswith("v.patch_embd"):
        if not qwen:
            return native[f"{tower}embeddings.patch_embedding.{end}"]
        if end == "bias":
            return native[tower + "patch_embed.proj.bias"]
        return native[tower + "patch_embed.proj.weight"][:, :, 1 if end == "1" else 0]
    if name == "v.position_embd.weight":
        return native[tower + ("pos_embed" if qwen else "embeddings.position_embedding") + ".weight"]
    if qwen and name.startswith(("v.post_ln", "mm.")):
        place = {"v.post_ln": 0, "mm.0": 1, "mm.2": 2}[name.rsplit(".", 1)[0]]
        return native[f"{tower}{MERGERS[projector][place]}.{end}"]
    if name.startswith("v.deepstack."):
        layer, own = re.match(r"v\.deepstack\.(\d+)\.(\w+)", name).groups()
        merger = config["vision_config"]["deepstack_visual_indexes"].index(int(layer))
        own = {"norm": "norm", "fc1": "linear_fc1", "fc2": "linear_fc2"}[own]
        return native[f"{tower}deepstack_merger_list.{merger}.{own}.{end}"]
    plain = {"v.pre_ln": tower + "pre_layrnorm", "v.post_ln": tower + "post_layernorm",
             "mm.0": "model.multi_modal_projector.linear_1",
             "mm.2": "model.multi_modal_projector.linear_2",
             "mm.model.fc": "model.connector.modality_projection.proj"}
    if name == "mm.input_projection.weight":
        return native["model.multi_modal_projector.mm_input_projection_weight"]
    if name == "mm.soft_emb_norm.weight":
        return native["model.multi_modal_projector.mm_soft_emb_norm.weight"] + 1
    if name.rsplit(".", 1)[0] in plain:
        return native[f"{plain[name.rsplit('.', 1)[0]]}.{end}"]
    layer, own = re.fullmatch(r"v\.blk\.(\d+)\.(.+)\.\w+", name).groups()
    own = ({**QWEN, **MLPS[projector]} if qwen else CLIP)[own]
    blocks = f"{tower}blocks." if qwen else f"{tower}encoder.layers."
    if own.startswith(SEPARATE):
        return native[f"{blocks}{layer}.attn.qkv.{end}"].chunk(3)[int(own[-1])]
    return native[f"{blocks}{layer}.{own}.{end}"]


def check_tensors(result, what, reader, wanted, kind):
    for name, (stored, shape, _) in reader.tensors.items():
        if name == "rope_freqs.weight":
            continue
        expected = wanted(name).float()
        result.same(f"{what}: shape of {name}", shape, list(expected.shape))
        off = (reader.numbers(name) - stored_as(expected, stored)).abs().max().item()
        result.expect(off == 0, f"{what}: {name} is off by {off}")
        blocks = expected.dim() == 2 and expected.shape[-1] % 32 == 0
        tables = ("position_embd", "patch_embd", "input_projection")
        if kind == "q8_0" and blocks and not any(table in name for table in tables):
            result.same(f"{what}: type of {name}", stored, GGMLQuantizationType.Q8_0)
        if kind == "f32" or expected.dim() == 1:
            result.same(f"{what}: type of {name}", stored, GGMLQuantizationType.F32)


def check_vocabulary(result, fields, checkpoint, rows):
    tokenizer = getattr(checkpoint.processor, "tokenizer", checkpoint.processor)
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    result.same("a token for each row", (len(tokens), len(kinds)), (rows, rows))
    result.same("no token twice", len(set(tokens)), rows)
    known = min(rows, len(tokenizer))
    result.same("the tokens", tokens[:known], tokenizer.convert_ids_to_tokens(list(range(known))))
    result.same("rows without a token", set(kinds[known:]) - {5}, set())
    for name, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        wanted = getattr(tokenizer, name + "_token_id")
        result.same(f"{name}_token_id", fields.get(f"tokenizer.ggml.{key}_token_id"), wanted)
    special = [number for number in tokenizer.all_special_ids if number < rows]
    for number in special:
        unknown = number == tokenizer.unk_token_id and fields["tokenizer.ggml.model"] == "llama"
        result.same(f"kind of {tokens[number]}", kinds[number], 2 if unknown else 3)
    result.same("chat template", fields.get("tokenizer.chat_template"), tokenizer.chat_template
                or getattr(checkpoint.processor, "chat_template", None))
    described = checkpoint.path / "tokenizer.json"
    model = json.loads(described.read_text())["model"] if described.exists() else None
    wanted = "llama" if model is None or model.get("byte_fallback") else "gpt2"
    result.same("tokenizer model", fields["tokenizer.ggml.model"], wanted)
    if wanted == "llama":
        joined = by_scores("A red circle stands left of it.", fields)
        result.same("pieces by their scores", joined,
                    tokenizer("A red circle stands left of it.", add_special_tokens=False)["input_ids"])
    else:
        result.same("merges", fields["tokenizer.ggml.merges"],
                    [" ".join(each) if isinstance(each, list) else each for each in model["merges"]])


def by_scores(text, fields):
    """As sentencepiece joins pieces: always the two whose piece has the best score, from the left."""
    scores = dict(zip(fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.scores"]))
    ids = {token: number for number, token in enumerate(fields["tokenizer.ggml.tokens"])}
    pieces = list(("\u2581" if fields["tokenizer.ggml.add_space_prefix"] else "")
                  + text.replace(" ", "\u2581"))
    while True:
        pairs = [(-scores[a + b], place) for place, (a, b) in enumerate(zip(pieces, pieces[1:]))
                 if a + b in scores]
        if not pairs:
            return [ids[piece] for piece in pieces]
        place = min(pairs)[1]
        pieces[place:place + 2] = [pieces[place] + pieces[place + 1]]


TEXTS = {"smolvlm": "model.text_model.", "idefics3": "model.text_model.", "llama": "model.",
         "mistral": "model.", "qwen2": "model.", "qwen3": "model."}
TOWERS = {"smolvlm": "model.vision_model.", "idefics3": "model.vision_model.",
          "qwen2_vl": "model.visual.", "qwen2_5_vl": "model.visual.", "qwen3_vl": "model.visual."}


# Settings of text_config that llama.cpp has built in.
BUILT_IN = {"gemma3-larger": {"query_pre_attn_scalar": 48}}


def export_case(name, kind):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder, out = checkpoint.path, world.scratch / "gguf"
        if name in BUILT_IN:
            folder = world.scratch / name
            shutil.copytree(checkpoint.path, folder)
            config = json.loads((folder / "config.json").read_text())
            config["text_config"] |= BUILT_IN[name]
            (folder / "config.json").write_text(json.dumps(config))
        told = world.program.json("export", folder, "--to", "gguf", "--type", kind,
                                  "--out", out, "--json")
        config = json.loads((checkpoint.path / "config.json").read_text())
        model_type = config["model_type"]
        native = {checkpoint.family.native_name(key): tensor.float()
                  for file in sorted(checkpoint.path.glob("*.safetensors"))
                  for key, tensor in load_file(file).items()}
        language = Reader(out / told["files"][0])
        fields = language.fields
        text = TEXTS.get(model_type, "model.language_model.")
        check_tensors(result, "language", language,
                      lambda each: wanted_text(each, native, text, fields), kind)
        used = sum(key.startswith(text) for key in native) + ("output.weight" in language.tensors)
        made = len([key for key in language.tensors if key != "rope_freqs.weight"])
        result.same("all of the decoder is there", made, used)
        arch = fields["general.architecture"]
        section = config.get("text_config", config)
        result.same("layers", fields[f"{arch}.block_count"],
                    1 + max(int(key[len(text) + 7:].split(".")[0]) for key in native
                            if key.startswith(text + "layers.")))
        result.close("epsilon", torch.tensor(fields[f"{arch}.attention.layer_norm_rms_epsilon"]),
                     torch.tensor(section.get("rms_norm_eps", 1e-6)), 1e-6, "export")
        check_vocabulary(result, fields, checkpoint, native[text + "embed_tokens.weight"].shape[0])
        modelfile = (out / "Modelfile").read_text()
        for file in told["files"][:-1]:
            result.expect(f"FROM ./{file}\n" in modelfile, f"the Modelfile lacks {file}")
        if model_type in TEXTS and model_type not in TOWERS:
            return
        pictures = Reader(out / told["files"][1])
        projector = pictures.fields["clip.projector_type"]
        tower = TOWERS.get(model_type, "model.vision_tower.")
        check_tensors(result, "pictures", pictures,
                      lambda each: wanted_picture(each, native, tower, projector, config), kind)
        result.same("it is a picture half", (pictures.fields["general.architecture"],
                                             pictures.fields["clip.has_vision_encoder"]),
                    ("clip", True))
        result.same("width of what it gives", pictures.fields["clip.vision.projection_dim"],
                    fields[f"{arch}.embedding_length"])
    return case


REFUSED = {"internvl-plain": "internvl", "gemma3-plain": "sliding windows"}


def refused_case(world, result):
    for name, named in REFUSED.items():
        checkpoint = make(name, world.checkpoints)
        out = world.scratch / name
        ended = world.program.end("export", checkpoint.path, "--to", "gguf", "--out", out)
        result.same(f"{name}: status", ended.returncode, 2)
        result.expect(named in ended.stderr, f"{name}: {ended.stderr!r} does not name {named}")
        result.expect(not out.exists(), f"{name}: something is left")


def cases(everything=False):
    found = {"gguf/refused": refused_case}
    names = [f"{family}-larger" for family in ("llava", "qwen2_vl", "qwen3_vl", "gemma3", "smolvlm")]
    if everything:
        names += ["clip-llama", "siglip-qwen2", "qwen2_5_vl-plain", "qwen2_5_vl-larger",
                  "qwen2_vl-tied", "smolvlm-whole", "llama-plain", "qwen3-plain"]
    for name in names:
        for kind in ("f32", "f16", "q8_0") if everything else ("q8_0",):
            found[f"gguf/{name}/{kind}"] = export_case(name, kind)
    return found
