# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes two tiny processor folders (a byte-level BPE with a ChatML template, a metaspace BPE with
byte fallback and LLaVA's template), two
pictures, and what LlavaProcessor.apply_chat_template makes of many conversations: ids, and labels
by the three rules; and the row fuzzer's seeds. Run in this folder."""
import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.processing_llava import LlavaProcessor

CORPUS = ["What is in this picture? There are three red circles and a blue square.",
          "USER: describe ASSISTANT: a small dog\n",
          "system user assistant You are a helpful assistant.", "사진에 무엇이 있나요? 빨간 원이 세 개 있습니다.",
          "How many circles? Three. Thank you! You are welcome."] * 4

CHATML = """{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' }}
{%- for part in message['content'] %}
{%- if part['type'] == 'image' %}{{- '<image>' }}{%- else %}{{- part['text'] }}{%- endif %}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

GENERATION = """{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['role'] == 'assistant' %}
{%- generation %}{{- message['content'][0]['text'] + '<|im_end|>' }}{%- endgeneration %}{{- '\\n' }}
{%- else %}
{%- for part in message['content'] %}
{%- if part['type'] == 'image' %}{{- '<image>' }}{%- else %}{{- part['text'] }}{%- endif %}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

LLAVA = ("{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
         "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
         "{% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
         "{{ content['text'] + ' ' }}{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
         "{{ content['text'] + eos_token }}{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")

BOS_LLAVA = "{{ bos_token }}" + LLAVA


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=330,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True)
                                  for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>",
                                            "<image>")])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>",
                                   pad_token="<|endoftext|>")


def metaspace():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"),
                                                 normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                           decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    special = ["<unk>", "<s>", "</s>", "<image>"] + [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([line for line in CORPUS if line.isascii()], trainer)
    model = json.loads(tokenizer.to_str())
    model["added_tokens"] = [t for t in model["added_tokens"]
                             if t["id"] < 4]   # the byte pieces are plain pieces
    model["model"]["fuse_unk"] = True
    tokenizer = Tokenizer.from_str(json.dumps(model))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                             special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>",
                                   unk_token="<unk>", pad_token="<unk>")


def part(value):
    return {"type": "image", "path": value[1:]} if value.startswith("@") else {
        "type": "text", "text": value}


def turn(role, *parts):
    return {"role": role, "content": [part(value) for value in parts]}


CONVERSATIONS = [
    [turn("user", "@a.png", "What is in this picture?"), turn("assistant", "Three red circles.")],
    [turn("system", "You are a helpful assistant."), turn("user", "How many?", "@b.jpg"),
     turn("assistant", "Three."), turn("user", "Thank you!"),
     turn("assistant", "You are welcome.")],
    [turn("user", "@a.png", "@b.jpg", "사진에 무엇이 있나요?"), turn("assistant", "빨간 원이 세 개 있습니다."),
     turn("user", "@a.png", "  and 🙂 this?\n"),
     turn("assistant", "a dog\n\nand a 犬")],
    [turn("user", "no picture"), turn("assistant", "none")],
    [turn("user", "@b.jpg", "a question only")],
    [turn("user", "one"), turn("assistant", ""), turn("user", "two"),
     turn("assistant", " leading space")],
]


def ids_of(processor, messages, **options):
    out = processor.apply_chat_template(messages, tokenize=True, return_dict=True, **options)
    return out["input_ids"][0] if isinstance(out["input_ids"][0], list) else out["input_ids"], out


def cases(folder, processor):
    rows = []
    image_id = processor.image_token_id
    for conversation in CONVERSATIONS:
        messages = json.loads(json.dumps(conversation))
        ids, out = ids_of(processor, messages)
        entry = {"folder": folder, "messages": conversation, "ids": ids,
                 "all": [i if i != image_id else -100 for i in ids]}
        if messages[-1]["role"] == "assistant":
            prompt, _ = ids_of(processor, messages[:-1], add_generation_prompt=True)
            entry["prompt"] = prompt
            start = len(prompt)
            if prompt != ids[:start]:   # a token reaches over the border: the first that starts behind the prompt's text
                texts = [processor.apply_chat_template(m,
                                                       add_generation_prompt=g).replace(
                                                           "<image>", "<image>" * 4)
                         for m, g in ((messages[:-1], True), (messages, False))]
                border = len(os.path.commonprefix(texts))
                special = not texts[1].startswith(processor.tokenizer.bos_token or "\0")
                out = processor.tokenizer(texts[1], add_special_tokens=special,
                                          return_offsets_mapping=True)
                assert out["input_ids"] == ids
                start = next(i for i, (begin, end) in enumerate(out["offset_mapping"])
                             if begin < end and begin >= border)
            entry["completion"] = [-100] * start + [i if i != image_id else -100
                                                    for i in ids[start:]]
        else:
            entry["prompt"], _ = ids_of(processor, messages, add_generation_prompt=True)
            entry["completion"] = [-100] * len(ids)
        has_pictures = any(p["type"] == "image" for m in messages for p in m["content"])
        if "generation" in folder and not has_pictures:   # with pictures, 5.17 looks the ranges up in the text before expansion
            _, out = ids_of(processor, messages, return_assistant_tokens_mask=True)
            mask = out["assistant_masks"][0] if isinstance(out["assistant_masks"][0],
                                                           list) else out["assistant_masks"]
            entry["assistant"] = [i if m else -100 for i, m in zip(ids, mask)]
        rows.append(entry)
    return rows


ROWS = [
    {"messages": [turn("user", "@a.png", "Who?"), turn("assistant", "Me.")]},
    {"messages": [{"role": "user", "content": "<image>Who? <image>"},
                  {"role": "assistant", "content": "Me."}], "images": ["a.png", "b.png"]},
    {"image": "a.png", "system": "Be brief.", "conversations": [
        {"from": "human", "value": "Who?\n<image>"}, {"from": "gpt", "value": "Me."}]},
    {"image": ["a.png"], "prompt": "Who?", "completion": "Me."},
    {"images": [{"path": "a.png"}], "chosen": [{"role": "user", "content": "<image>a"},
                                               {"role": "assistant", "content": "b"}],
     "rejected": [{"role": "user", "content": "<image>a"}, {"role": "assistant", "content": "c"}]},
]


def fuzz_seeds():
    folder = Path("../../fuzz/seeds/row")
    folder.mkdir(parents=True, exist_ok=True)
    for i, row in enumerate(ROWS):
        (folder / f"row{i}").write_text(json.dumps(row))
    (folder / "lines").write_text("\ufeff" + "\r\n".join(json.dumps(row) for row in ROWS[2:4]))
    (folder / "data").write_text(json.dumps({"version": [1], "data": ROWS[:2]}, indent=1))


def main():
    fuzz_seeds()
    yy, xx = np.mgrid[0:37, 0:50]
    photo = np.stack([xx * 5, yy * 6, (xx * yy) % 256], axis=-1).astype(np.uint8)
    rows = []
    for name, make, template in (("chatml", byte_level, CHATML),
                                 ("generation", byte_level, GENERATION),
                                 ("llava", metaspace, LLAVA),
                                 ("llava_bos", metaspace, BOS_LLAVA)):
        shutil.rmtree(name, ignore_errors=True)
        image_processor = CLIPImageProcessorPil(size={"shortest_edge": 28},
                                                crop_size={"height": 28, "width": 28})
        processor = LlavaProcessor(image_processor, make(), patch_size=14,
                                   vision_feature_select_strategy="default", chat_template=template,
                                   num_additional_image_tokens=1)
        processor.save_pretrained(name)
        Image.fromarray(photo).save("a.png")
        Image.fromarray(photo[::-1, ::-1]).save("b.jpg")
        rows += cases(name, processor)
    with open("encoded.json", "w") as stream:
        stream.write("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False)
                                        for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
